package org.example.recpress.demo;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.os.Handler;
import android.os.HandlerThread;
import android.os.Looper;
import android.system.ErrnoException;
import android.system.Os;
import android.view.View;
import android.widget.ArrayAdapter;
import android.widget.Button;
import android.widget.CheckBox;
import android.widget.EditText;
import android.widget.ListView;
import android.widget.TextView;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.example.recpress.Benchmark;
import org.example.recpress.BundleException;
import org.example.recpress.Newcomer;
import org.example.recpress.OrtScorer;
import org.example.recpress.Printable;
import org.example.recpress.RecBundle;
import org.example.recpress.Recommendation;
import org.example.recpress.Recommendations;
import org.example.recpress.Recommender;
import org.example.recpress.Source;

/** A user id or a history in, the best items out; everything that takes time happens on one background thread. */
public final class MainActivity extends Activity implements View.OnClickListener {
    static {
        // Before the first class of ai.onnxruntime loads: newer releases start telemetry otherwise.
        try {
            Os.setenv(OrtScorer.TELEMETRY_OFF, "1", true);
        } catch (ErrnoException error) {
            throw new ExceptionInInitializerError(error);
        }
    }

    private final Handler screen = new Handler(Looper.getMainLooper());
    private HandlerThread thread;
    private Handler background;
    private Recommender recommender; // of the background thread alone
    private long firstNanos = -1; // likewise

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        findViewById(R.id.recommend).setOnClickListener(this);
        findViewById(R.id.benchmark).setOnClickListener(this);
        thread = new HandlerThread("recpress");
        thread.start();
        background = new Handler(thread.getLooper());
        background.post(new Open(HeadlessRun.of(getIntent())));
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        setIntent(intent);
        HeadlessRun run = HeadlessRun.of(intent);
        if (run != null) {
            background.post(new Open(run));
        }
    }

    @Override
    protected void onDestroy() {
        background.post(new Runnable() {
            @Override
            public void run() {
                close();
            }
        });
        thread.quitSafely();
        super.onDestroy();
    }

    @Override
    public void onClick(View button) {
        if (button.getId() == R.id.benchmark) {
            show(getString(R.string.measuring), null);
            background.post(new Measure());
            return;
        }
        String user = text(R.id.user).trim();
        List<String> seen = new ArrayList<String>();
        for (String line : text(R.id.seen).split("\n")) {
            if (!line.trim().isEmpty()) {
                seen.add(line.trim());
            }
        }
        try {
            int count = Integer.parseInt(text(R.id.count).trim());
            boolean popular = ((CheckBox) findViewById(R.id.popular)).isChecked();
            background.post(new Ask(user.isEmpty() ? null : user, seen, count, popular));
        } catch (NumberFormatException error) {
            show(getString(R.string.count_hint) + "?", null);
        }
    }

    private String text(int id) {
        return ((EditText) findViewById(id)).getText().toString();
    }

    /** Verifies and self-tests the bundle; or hands it to a headless run, which does so itself. */
    private final class Open implements Runnable {
        private final HeadlessRun headless;

        Open(HeadlessRun headless) {
            this.headless = headless;
        }

        @Override
        public void run() {
            try {
                close();
                File folder = BundleStore.locate(getFilesDir(), getAssets());
                if (headless != null) {
                    headless.start(folder);
                    return;
                }
                boolean updated = BundleStore.update(getFilesDir(), folder, getAssets());
                RecBundle bundle = RecBundle.open(folder);
                recommender = Recommender.open(bundle);
                ready(getString(
                        updated ? R.string.updated : R.string.opened, bundle.name(), bundle.selfTest().size(), recommender.scorer().runtime()));
            } catch (BundleException error) {
                refused(error, headless);
            } catch (IOException error) {
                refused(error, headless);
            }
        }
    }

    private void refused(Exception error, HeadlessRun headless) {
        if (headless != null) {
            headless.fail(error);
        }
        show(error.getMessage(), null);
    }

    /** One request. */
    private final class Ask implements Runnable {
        private final String user;
        private final List<String> seen;
        private final int count;
        private final boolean popular;

        Ask(String user, List<String> seen, int count, boolean popular) {
            this.user = user;
            this.seen = seen;
            this.count = count;
            this.popular = popular;
        }

        @Override
        public void run() {
            try {
                long start = System.nanoTime();
                Newcomer newcomer = popular ? Newcomer.POPULAR : Newcomer.REFUSED;
                Recommendations found = recommender.recommend(user, seen, count, false, newcomer);
                long nanos = System.nanoTime() - start;
                if (firstNanos < 0) {
                    firstNanos = nanos;
                }
                List<String> rows = new ArrayList<String>();
                boolean scored = found.source() == Source.MODEL && !recommender.contract().orderOnly;
                for (Recommendation item : found) {
                    String id = Printable.text(item.itemId());
                    rows.add(
                            scored
                                    ? getString(R.string.row, rows.size() + 1, id, item.score())
                                    : getString(R.string.row_unscored, rows.size() + 1, id));
                }
                show(
                        getString(
                                found.source() == Source.MODEL ? R.string.answered : R.string.answered_popular,
                                rows.size(),
                                millis(nanos),
                                millis(firstNanos),
                                found.unknown().size()),
                        rows);
            } catch (BundleException error) {
                show(error.getMessage(), null);
            } catch (IllegalArgumentException error) { // an unknown user among them
                show(error.getMessage(), null);
            }
        }
    }

    /** Warm queries of the bundle's own evaluation users, or of its self-test. */
    private final class Measure implements Runnable {
        @Override
        public void run() {
            try {
                RecBundle bundle = recommender.bundle();
                long start = System.nanoTime();
                recommender.answer(bundle.selfTest().user(0), bundle.selfTest().seen(0), 50);
                long once = System.nanoTime() - start;
                Benchmark.Warm warm = new Benchmark(new File(""), 50, 1000, 0.5, 0)
                        .warm(recommender, bundle.asked());
                show(getString(
                        R.string.measured,
                        millis(warm.query.percentile(50)),
                        millis(warm.query.percentile(95)),
                        millis(firstNanos < 0 ? once : firstNanos),
                        warm.query.size()), null);
            } catch (BundleException error) {
                show(error.getMessage(), null);
            }
        }
    }

    private void close() {
        if (recommender != null) {
            recommender.close();
            recommender = null;
        }
    }

    private static String millis(long nanos) {
        return String.format(Locale.ROOT, "%.3f ms", nanos / 1e6);
    }

    private void ready(final String status) {
        screen.post(new Runnable() {
            @Override
            public void run() {
                ((Button) findViewById(R.id.recommend)).setEnabled(true);
                ((Button) findViewById(R.id.benchmark)).setEnabled(true);
            }
        });
        show(status, null);
    }

    private void show(final String status, final List<String> rows) {
        screen.post(new Runnable() {
            @Override
            public void run() {
                ((TextView) findViewById(R.id.status)).setText(status);
                List<String> shown = rows == null ? new ArrayList<String>() : rows;
                ((ListView) findViewById(R.id.results)).setAdapter(
                        new ArrayAdapter<String>(MainActivity.this, android.R.layout.simple_list_item_1, shown));
            }
        });
    }
}
