package org.example.recpress;

import java.util.Arrays;

/**
 * The k best items: a heap of keys, the least on top.
 *
 * <p>A key's upper half orders the score, its lower half the item: the higher key is the higher score, and of equal
 * ones the lower item.
 */
final class BestItems {
    private static final long LOW = 0xffffffffL;

    private final long[] heap;
    private int size;

    BestItems(int k) {
        heap = new long[k];
    }

    static long key(int score, int item) {
        return (long) score << 32 | (LOW - item);
    }

    /** Of a float: integers in the same order, and one zero. */
    static long key(float score, int item) {
        int bits = Float.floatToIntBits(score + 0f);
        return key(bits < 0 ? bits ^ Integer.MAX_VALUE : bits, item);
    }

    static int item(long key) {
        return (int) (LOW - (key & LOW));
    }

    static int integer(long key) {
        return (int) (key >> 32);
    }

    static float number(long key) {
        int bits = integer(key);
        return Float.intBitsToFloat(bits < 0 ? bits ^ Integer.MAX_VALUE : bits);
    }

    boolean takes(long key) {
        return size < heap.length || key > heap[0];
    }

    /** A key that {@link #takes} says it takes; the least goes where the heap is full. */
    void add(long key) {
        int at;
        if (size < heap.length) {
            at = size++;
            for (int above = (at - 1) / 2; at > 0 && key < heap[above]; above = (at - 1) / 2) {
                heap[at] = heap[above];
                at = above;
            }
        } else {
            at = 0;
            for (int below = least(0); below > 0 && heap[below] < key; below = least(at)) {
                heap[at] = heap[below];
                at = below;
            }
        }
        heap[at] = key;
    }

    /** The lesser child of a place; 0 where it has none. */
    private int least(int at) {
        int left = 2 * at + 1;
        if (left >= size) {
            return 0;
        }
        return left + 1 < size && heap[left + 1] < heap[left] ? left + 1 : left;
    }

    /** The keys, best first. */
    long[] sorted() {
        long[] keys = Arrays.copyOf(heap, size);
        Arrays.sort(keys);
        for (int i = 0; i < size / 2; i++) {
            long key = keys[i];
            keys[i] = keys[size - 1 - i];
            keys[size - 1 - i] = key;
        }
        return keys;
    }
}
