package org.example.recpress.demo;

import android.content.Intent;
import android.util.Log;
import java.io.File;
import org.example.recpress.BenchLog;
import org.example.recpress.Benchmark;

/**
 * A run that a script asks for by intent extras; its results go to logcat, where tools/bench_device.sh finds them.
 *
 * <p>{@code adb shell am start -n org.example.recpress.demo/.MainActivity --es run ID --es phase full
 * --ei k 50 --ei queries 1000 --es seconds 2 --ei seed 0}; phase cold-1, cold-2 … for cold starts.
 */
final class HeadlessRun {
    static final String TAG = "RecPressBench";

    private final String run;
    private final String phase;
    private final int k;
    private final int queries;
    private final double seconds;
    private final int seed;

    private HeadlessRun(Intent intent) {
        run = intent.getStringExtra("run");
        phase = intent.getStringExtra("phase");
        k = intent.getIntExtra("k", 50);
        queries = intent.getIntExtra("queries", 1000);
        String text = intent.getStringExtra("seconds"); // as text: a float would not be what was asked for
        seconds = text == null ? 2 : Double.parseDouble(text);
        seed = intent.getIntExtra("seed", 0);
    }

    /** Null where the app was started by hand. */
    static HeadlessRun of(Intent intent) {
        return intent.hasExtra("run") && intent.hasExtra("phase") ? new HeadlessRun(intent) : null;
    }

    void start(File bundle) {
        new Benchmark(bundle, k, queries, seconds, seed).run(log(), phase);
    }

    void fail(Exception error) {
        log().error(error);
    }

    private BenchLog log() {
        return new BenchLog(
                new BenchLog.Sink() {
                    @Override
                    public void line(String text) {
                        Log.i(TAG, text);
                    }
                },
                run,
                phase);
    }
}
