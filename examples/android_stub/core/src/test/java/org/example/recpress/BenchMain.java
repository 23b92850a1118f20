package org.example.recpress;

import java.io.File;

/** The app's benchmark on a JVM, lines to standard output: RUN PHASE BUNDLE K QUERIES SECONDS SEED. */
public final class BenchMain {
    private BenchMain() {}

    public static void main(String[] args) throws Exception {
        BenchLog log = new BenchLog(
                new BenchLog.Sink() {
                    @Override
                    public void line(String text) {
                        System.out.println(text);
                    }
                },
                args[0],
                args[1]);
        Benchmark benchmark = new Benchmark(
                new File(args[2]),
                Integer.parseInt(args[3]),
                Integer.parseInt(args[4]),
                Double.parseDouble(args[5]),
                Long.parseLong(args[6]));
        benchmark.run(log, args[1]);
    }
}
