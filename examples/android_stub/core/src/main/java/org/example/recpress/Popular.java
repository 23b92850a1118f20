package org.example.recpress;

import java.io.File;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/** popular.txt: item indices, one a line, the most popular first. */
final class Popular {
    static final String FILE = "popular.txt";
    private static final int MOST = 10000;
    private static final int DIGITS = 10;

    private Popular() {}

    /** The indices; CONTENT fault unless they are distinct and of the catalogue. */
    static int[] read(File file, int nItems) throws BundleException {
        byte[] data = BundleFiles.read(file, BundleFiles.MAX_READ_BYTES);
        int count = 0; // before anything is made of them
        for (byte b : data) {
            count += b == '\n' ? 1 : 0;
        }
        int most = Math.min(MOST, nItems);
        if (count > most || data.length > 0 && data[data.length - 1] != '\n') {
            throw wrong(file, "must hold " + most + " ended lines at most, found " + count);
        }
        int[] found = new int[count];
        Set<Long> seen = new HashSet<Long>();
        int start = 0;
        for (int line = 0; line < count; line++) {
            long item = 0;
            int at = start;
            for (; data[at] != '\n'; at++) {
                if (data[at] < '0' || data[at] > '9' || at - start == DIGITS) {
                    throw wrong(file, "must hold item indices, one a line");
                }
                item = 10 * item + data[at] - '0';
            }
            if (at == start) {
                throw wrong(file, "must hold item indices, one a line");
            }
            if (item >= nItems || !seen.add(item)) {
                throw wrong(file, "names an item twice, or one outside 0.." + (nItems - 1));
            }
            found[line] = (int) item;
            start = at + 1;
        }
        return found;
    }

    /** The same without what is retired. */
    static int[] without(int[] items, long[] retired) {
        int[] kept = new int[items.length];
        int count = 0;
        for (int item : items) {
            if (Arrays.binarySearch(retired, item) < 0) { // retired items are ascending
                kept[count++] = item;
            }
        }
        return Arrays.copyOf(kept, count);
    }

    private static BundleException wrong(File file, String what) {
        return new BundleException(Fault.CONTENT, file + " " + what);
    }
}
