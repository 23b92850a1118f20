package org.example.recpress;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.BitSet;

/**
 * A model.bin, mapped: its header, and where its sections are. Everything is checked before it is used.
 *
 * <p>recpress_edge/device/c/model_bin.py in Java; recpress.h specifies the file. Numbers are little-endian.
 */
final class ModelBin {
    static final String FILE = "model.bin";
    static final String MAGIC = "RECPRESS";
    static final int VERSION = 1;
    static final int HEADER_BYTES = 128;
    static final int ALIGNMENT = 64;
    /** Items that lie together. */
    static final int BLOCK = 32;
    static final int MAX_DIM = 1024;
    static final int MAX_ITEMS = 0xffffff;
    /** Items that a history with ages reads. */
    static final int MAX_HISTORY = 0xffff;
    static final int FITS_16 = 1;
    static final int ORDER_ONLY = 2;
    static final int FP32 = 0;
    static final int INT8_DIM = 1;
    static final int INT8_ITEM = 2;
    static final int INT4_ITEM = 3;
    static final int HISTORY_PROFILE = 2;
    static final int CATALOGUE = 0;
    static final int LENGTH = 1;
    static final int QUADS = 0;
    static final int DIMS = 1;
    private static final String[] RECIPES = {"fp32", "int8-dim", "int8-item", "int4-item"};
    private static final String[] PROFILES = {Contract.ALL_USERS, Contract.SINGLE_USER, Contract.HISTORY};
    private static final int ORDERS = 3;
    private static final int LAYOUTS = 2;
    private static final int RESERVED_AT = 96;

    final int recipe;
    final int profile;
    final int order;
    final int layout;
    final int flags;
    final int nUsers;
    final int nItems;
    final int dim;
    final int nRetired;
    /** Of integer history files: what a unit of a row is worth per unit of its peak. */
    final float step;
    /** Where sections start; 0 where the file has none. */
    final int users;
    final int userScale;
    final int items;
    final int bounds;
    final int itemOf;
    final int retired;
    final int history;
    final int prior;
    /** What a row of the history is multiplied with, by its age; the newest first. */
    final int ages;
    /** Of histories with ages: how many of the last items are read; 0: all, each once. */
    final int historyLength;

    private final ByteBuffer data;

    private ModelBin(ByteBuffer data) throws IOException {
        this.data = data;
        if (data.limit() < HEADER_BYTES || !startsAsOne()) {
            throw new IOException("it does not start as a model.bin does");
        }
        if (data.getInt(8) != VERSION) {
            throw new IOException("it has version " + data.getInt(8) + ", and this reader knows " + VERSION);
        }
        if (word(12) != data.limit()) {
            throw new IOException("it has " + data.limit() + " bytes, and its header says " + word(12));
        }
        recipe = code(16, RECIPES.length, "recipe");
        profile = code(20, PROFILES.length, "profile");
        order = code(24, ORDERS, "order");
        layout = code(28, LAYOUTS, "layout");
        flags = data.getInt(32);
        boolean known = profile != HISTORY_PROFILE;
        nUsers = number(36, known ? 1 : 0, profile == 0 ? Integer.MAX_VALUE : known ? 1 : 0, "n_users");
        nItems = number(40, 1, MAX_ITEMS, "n_items");
        dim = number(44, 1, MAX_DIM, "dim");
        nRetired = number(48, 0, nItems - 1, "n_retired");
        step = data.getFloat(52);
        checkCodes();
        int width = recipe == FP32 ? 4 : 1;
        users = section(56, (long) nUsers * dim * width);
        userScale = section(60, recipe == FP32 || (flags & ORDER_ONLY) != 0 ? 0 : 4L * nUsers);
        items = section(64, (long) blocks() * blockBytes());
        bounds = section(68, boundBytes());
        itemOf = section(72, order == CATALOGUE ? 0 : 4L * nItems);
        retired = section(76, 4L * nRetired);
        history = section(80, known ? 0 : (long) nItems * dim * width);
        prior = section(84, known ? 0 : (long) dim * width);
        historyLength = number(92, 0, known ? 0 : MAX_HISTORY, "history_length");
        ages = section(88, (long) historyLength * dim * width);
        checkRetired();
        checkOrder();
    }

    /** MODEL fault where the file cannot be one, whatever a bundle says of it. */
    static ModelBin open(File file) throws BundleException {
        try {
            RandomAccessFile opened = new RandomAccessFile(file, "r");
            try {
                if (opened.length() > Integer.MAX_VALUE) {
                    throw new IOException("it has more than 2 GB, which Java cannot map");
                }
                // the mapping outlives the open file; what is skipped is never read
                return read(opened.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, opened.length()), file.getPath());
            } finally {
                opened.close();
            }
        } catch (IOException error) {
            throw refused(file.getPath(), error);
        }
    }

    /** The same of bytes that are there. */
    static ModelBin read(ByteBuffer data, String name) throws BundleException {
        try {
            data.order(ByteOrder.LITTLE_ENDIAN);
            return new ModelBin(data);
        } catch (IOException error) {
            throw refused(name, error);
        }
    }

    private static BundleException refused(String name, IOException error) {
        return new BundleException(Fault.MODEL, name + " is refused: " + error.getMessage(), error);
    }

    /** MODEL fault where the file is not the one that the contract describes. */
    void checkContract(Contract contract) throws BundleException {
        String name = (flags & FITS_16) != 0 ? "score16" : RECIPES[recipe];
        boolean same = name.equals(contract.recipe) && PROFILES[profile].equals(contract.profile)
                && nUsers == contract.nUsers && nItems == contract.nItems && dim == contract.dim
                && historyLength == contract.historyLength && sameRetired(contract.retired());
        if (!same) {
            throw new BundleException(
                    Fault.MODEL,
                    contract.modelFile + " holds " + name + " of " + PROFILES[profile] + ", " + nUsers + " users, "
                            + nItems + " items, dim " + dim + ", " + nRetired
                            + " retired, which is not what its contract says");
        }
    }

    /** The bytes with a position of their own, little-endian. */
    ByteBuffer bytes() {
        return data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    int blocks() {
        return (nItems + BLOCK - 1) / BLOCK;
    }

    /** Dimensions of an integer block: with an odd dim one of zeros more. */
    int evenDim() {
        return dim + dim % 2;
    }

    /** Bytes of the values of 32 items, without their scales. */
    int valueBytes() {
        if (recipe == FP32) {
            return 4 * BLOCK * dim;
        }
        return BLOCK * evenDim() / (recipe == INT4_ITEM ? 2 : 1);
    }

    boolean hasItemScales() {
        return recipe == INT8_ITEM || recipe == INT4_ITEM;
    }

    int blockBytes() {
        return valueBytes() + (hasItemScales() ? 2 * BLOCK : 0);
    }

    /** The item that is stored at a place. */
    int itemAt(int place) {
        return itemOf == 0 ? place : data.getInt(itemOf + 4 * place);
    }

    /** The items that are recommended to nobody. */
    BitSet retiredItems() {
        BitSet found = new BitSet(nItems);
        for (int i = 0; i < nRetired; i++) {
            found.set(data.getInt(retired + 4 * i));
        }
        return found;
    }

    private boolean startsAsOne() {
        for (int i = 0; i < MAGIC.length(); i++) {
            if (data.get(i) != MAGIC.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private long word(int at) {
        return data.getInt(at) & 0xffffffffL;
    }

    private int code(int at, int count, String name) throws IOException {
        if (word(at) >= count) {
            throw new IOException(name + " " + word(at) + " is unknown");
        }
        return data.getInt(at);
    }

    private int number(int at, int low, int high, String name) throws IOException {
        if (word(at) < low || word(at) > high) {
            throw new IOException(name + " is " + word(at) + ", expected " + low + " to " + high);
        }
        return data.getInt(at);
    }

    private void checkCodes() throws IOException {
        boolean fits = (flags & FITS_16) != 0;
        for (int at = RESERVED_AT; at < HEADER_BYTES; at += 4) {
            refuse(data.getInt(at) != 0, "a reserved field is not 0");
        }
        refuse((flags & ~(FITS_16 | ORDER_ONLY)) != 0, "flags " + flags + " are unknown");
        refuse(order != CATALOGUE && recipe != INT8_DIM, "only int8-dim files have another order");
        boolean scaled = recipe != FP32 && profile == 0;
        refuse((flags & ORDER_ONLY) != 0 && !scaled, "only integer files of all users leave out users' scales");
        refuse(fits && (recipe != INT8_DIM || profile == HISTORY_PROFILE), "only int8-dim has scores of 16 bits");
        boolean byDims = fits && order == CATALOGUE;
        refuse(layout == DIMS && !byDims, "only files of 16-bit scores in the catalogue's order are laid out by dims");
        boolean stepped = profile == HISTORY_PROFILE && recipe != FP32;
        refuse(stepped ? !(step > 0 && step < Float.POSITIVE_INFINITY) : step != 0, "step is " + step);
    }

    private static void refuse(boolean wrong, String why) throws IOException {
        if (wrong) {
            throw new IOException(why);
        }
    }

    private long boundBytes() {
        if (order == CATALOGUE) {
            return 0;
        }
        long halves = 2L * blocks();
        return order == LENGTH ? halves : (halves + BLOCK - 1) / BLOCK * BLOCK * 2 * dim;
    }

    /** Where a section of so many bytes starts, as the header says; 0 where such a file has none. */
    private int section(int at, long bytes) throws IOException {
        long start = word(at);
        boolean fits = bytes == 0
                ? start == 0
                : start >= HEADER_BYTES && start % ALIGNMENT == 0 && start + bytes <= data.limit();
        refuse(!fits, "place " + start + " is none for a section of " + bytes + " bytes");
        return (int) start;
    }

    private void checkRetired() throws IOException {
        long before = -1;
        for (int i = 0; i < nRetired; i++) {
            long item = word(retired + 4 * i);
            refuse(item <= before || item >= nItems, "its retired items are not items in ascending order");
            before = item;
        }
    }

    private void checkOrder() throws IOException {
        BitSet there = new BitSet();
        for (int place = 0; order != CATALOGUE && place < nItems; place++) {
            long item = word(itemOf + 4 * place);
            refuse(item >= nItems || there.get((int) item), "its order of the items is none");
            there.set((int) item);
        }
    }

    private boolean sameRetired(long[] stated) {
        if (stated.length != nRetired) {
            return false;
        }
        for (int i = 0; i < nRetired; i++) {
            if (stated[i] != data.getInt(retired + 4 * i)) {
                return false;
            }
        }
        return true;
    }
}
