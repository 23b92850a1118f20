package org.example.recpress;

import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** What is measured on the device, and in what order; tools/bench_record.py makes the record of it. */
public final class Benchmark {
    private static final int WARMUP_QUERIES = 200;
    private static final int BLOCK_QUERIES = 500;
    /** So many different queries are prepared at most; the order then repeats. */
    private static final int DISTINCT_QUERIES = 2000;

    private final File folder;
    private final int k;
    private final int queries;
    private final double seconds;
    private final long seed;

    /** At least {@code queries} warm samples and {@code seconds} of time in them, of each kind. */
    public Benchmark(File folder, int k, int queries, double seconds, long seed) {
        if (k < 1 || queries < 1 || !(seconds >= 0) || seed < 0) {
            throw new IllegalArgumentException("k and queries must be positive, seconds and seed not negative");
        }
        this.folder = folder;
        this.k = k;
        this.queries = queries;
        this.seconds = seconds;
        this.seed = seed;
    }

    /** Runs "cold" or "full" to its end; whatever goes wrong becomes a line of the log. */
    public void run(BenchLog log, String phase) {
        try {
            if (phase.equals("full")) {
                full(log);
            } else {
                cold(log);
            }
        } catch (BundleException error) {
            log.error(error);
        } catch (RuntimeException error) {
            log.error(error);
        }
    }

    /** Fresh process: nanoseconds of loading the runtime, loading the model, and the first query ever. */
    private void cold(BenchLog log) throws BundleException {
        RecBundle bundle = RecBundle.open(folder);
        Recommender.ScorerFactory scorers = Scorers.of(bundle);
        long start = System.nanoTime();
        scorers.load();
        long imported = System.nanoTime();
        Scorer scorer = scorers.open(bundle);
        long loaded = System.nanoTime();
        try {
            int user = bundle.contract().nUsers > 0 ? 0 : SelfTest.NOBODY;
            Query query = Query.check(user, new long[0], k, bundle.contract());
            long first = System.nanoTime();
            scorer.run(query);
            long answered = System.nanoTime();
            Map<String, Object> facts = new LinkedHashMap<String, Object>();
            facts.put("import_ns", imported - start);
            facts.put("load_ns", loaded - imported);
            facts.put("first_query_ns", answered - first);
            facts.put("bundle", bundle.digest());
            log.put("cold", facts);
        } finally {
            scorer.close();
        }
        log.end();
    }

    /** Verifies and self-tests, times, then ranks every evaluation user, or answers the self-test's queries. */
    private void full(BenchLog log) throws BundleException {
        RecBundle bundle = RecBundle.open(folder);
        Recommender recommender = Recommender.open(bundle, new LoadedFirst(log, Scorers.of(bundle)));
        try {
            Evaluation evaluation = bundle.asked();
            start(log, bundle, recommender.scorer());
            Warm warm = warm(recommender, evaluation);
            memory(log, "model");
            log.samples("query", warm.query.samples(), warm.query.size());
            log.samples("end_to_end", warm.endToEnd.samples(), warm.endToEnd.size());
            log.put("quality", RankingQuality.measure(recommender, evaluation));
        } finally {
            recommender.close();
        }
        log.end();
    }

    /** Warm samples of the model alone and of the whole request, ids in and out. */
    public static final class Warm {
        public final Timings query;
        public final Timings endToEnd;

        Warm(int capacity) {
            query = new Timings(capacity);
            endToEnd = new Timings(capacity);
        }
    }

    /** Different users with their own seen items, in alternating blocks; as device_bench/measure.py does. */
    public Warm warm(Recommender recommender, Evaluation evaluation) throws BundleException {
        List<Query> prepared = new ArrayList<Query>();
        List<Request> requests = new ArrayList<Request>();
        for (int row : order(evaluation.size())) {
            Query query = recommender.prepare(evaluation.user(row), evaluation.seen(row), k);
            if (query.k > 0) { // else there is nothing left to ask for
                prepared.add(query);
                requests.add(new Request(recommender, evaluation, row));
            }
        }
        if (prepared.isEmpty()) {
            throw new BundleException(Fault.CONTENT, "no user to ask for has an unseen item: nothing can be timed");
        }
        Warm warm = new Warm(Math.max(queries, WARMUP_QUERIES) + BLOCK_QUERIES);
        block(recommender, prepared, requests, warm, 0, WARMUP_QUERIES);
        warm.query.forget();
        warm.endToEnd.forget();
        System.gc();
        int done = 0;
        while (needs(warm.query) || needs(warm.endToEnd)) {
            block(recommender, prepared, requests, warm, done, BLOCK_QUERIES);
            done += BLOCK_QUERIES;
        }
        return warm;
    }

    private boolean needs(Timings timings) {
        return timings.size() < queries || timings.total() < seconds * 1e9;
    }

    private void block(
            Recommender recommender, List<Query> prepared, List<Request> requests, Warm warm, int from, int size)
            throws BundleException {
        Scorer scorer = recommender.scorer();
        warm.query.reserve(size);
        warm.endToEnd.reserve(size);
        for (int i = 0; i < size; i++) {
            Query query = prepared.get((from + i) % prepared.size());
            long start = System.nanoTime();
            scorer.run(query);
            warm.query.add(System.nanoTime() - start);
        }
        for (int i = 0; i < size; i++) {
            Request request = requests.get((from + i) % requests.size());
            long start = System.nanoTime();
            recommender.recommend(request.user, request.seen, k);
            warm.endToEnd.add(System.nanoTime() - start);
        }
    }

    private List<Integer> order(int rows) {
        List<Integer> order = new ArrayList<Integer>();
        for (int row = 0; row < rows; row++) {
            order.add(row);
        }
        Collections.shuffle(order, new Random(seed));
        return order.subList(0, Math.min(rows, DISTINCT_QUERIES));
    }

    private void start(BenchLog log, RecBundle bundle, Scorer scorer) throws BundleException {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        facts.put("bundle", bundle.digest());
        facts.put("k", Math.min(k, bundle.contract().nItems));
        facts.put("queries", queries);
        facts.put("seconds", seconds);
        facts.put("seed", seed);
        facts.put("warmup", WARMUP_QUERIES);
        facts.put("runtime", scorer.runtime());
        facts.put("selftest", bundle.selfTest().size());
        facts.put("exact", bundle.contract().exact);
        log.put("start", facts);
    }

    private static void memory(BenchLog log, String stage) {
        Map<String, Object> facts = new LinkedHashMap<String, Object>(ProcessMemory.read());
        facts.put("stage", stage);
        log.put("memory", facts);
    }

    /** A request as an app makes it. */
    private static final class Request {
        final String user;
        final List<String> seen = new ArrayList<String>();

        Request(Recommender recommender, Evaluation evaluation, int row) {
            int index = evaluation.user(row);
            user = index == SelfTest.NOBODY ? null : recommender.users().id(index);
            for (long item : evaluation.seen(row)) {
                seen.add(recommender.items().id((int) item));
            }
        }
    }

    /** Opens the scorer and notes the process's memory before and after its first answer. */
    private static final class LoadedFirst implements Recommender.ScorerFactory {
        private final BenchLog log;
        private final Recommender.ScorerFactory scorers;

        LoadedFirst(BenchLog log, Recommender.ScorerFactory scorers) {
            this.log = log;
            this.scorers = scorers;
        }

        @Override
        public String format() {
            return scorers.format();
        }

        @Override
        public void load() {
            scorers.load();
        }

        @Override
        public Scorer open(RecBundle bundle) throws BundleException {
            scorers.load();
            memory(log, "idle"); // id maps and the runtime are there, the model is not
            Scorer scorer = scorers.open(bundle);
            memory(log, "loaded");
            int user = bundle.contract().nUsers > 0 ? 0 : SelfTest.NOBODY;
            scorer.run(Query.check(user, new long[0], 1, bundle.contract()));
            memory(log, "first_query");
            return scorer;
        }
    }
}
