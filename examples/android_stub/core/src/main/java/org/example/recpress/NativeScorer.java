package org.example.recpress;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Answers from a model.bin by the C engine, in librecpress.so; jni/CMakeLists.txt builds it where the NDK is.
 *
 * <p>The file is checked in Java before the engine sees it. All memory is Java's, and grows with the largest request.
 */
public final class NativeScorer implements Scorer {
    /** For {@link Recommender#open}. */
    public static final Recommender.ScorerFactory FACTORY = new Recommender.ScorerFactory() {
        @Override
        public String format() {
            return "c";
        }

        @Override
        public void load() {
            System.loadLibrary("recpress");
        }

        @Override
        public Scorer open(RecBundle bundle) throws BundleException {
            load();
            return new NativeScorer(ModelBin.open(bundle.modelFile()), bundle.contract());
        }
    };

    /** Codes of recpress.h from -1 downwards. */
    private static final String[] ERRORS = {
        "the bytes do not start as a model.bin does",
        "a version that this engine does not read",
        "sizes, places or codes do not fit the file",
        "memory is not aligned",
        "this engine was compiled for another model",
        "no such user",
        "no such item",
        "k is out of range",
        "the scratch is too small"
    };
    private static final int ASKED_WORDS = 3;
    private static final int FEW = 64;

    private final Contract contract;
    private final ByteBuffer model;
    /** Kept, because the opened model points into it. */
    private final ByteBuffer file;
    private ByteBuffer asked = words(ASKED_WORDS + FEW);
    private ByteBuffer items = words(FEW);
    private ByteBuffer scores = words(FEW);
    private ByteBuffer scratch;

    /** MODEL fault where the model is not the contract's, or the engine refuses it. */
    NativeScorer(ModelBin checked, Contract contract) throws BundleException {
        this.contract = contract;
        checked.checkContract(contract);
        file = checked.bytes();
        model = ByteBuffer.allocateDirect(modelBytes());
        checkCode(open(model, file), "open");
        scratch = ByteBuffer.allocateDirect((int) scratchBytes(model, Math.min(FEW, contract.nItems)));
    }

    @Override
    public Answer run(Query query) throws BundleException {
        int k = query.k;
        makeRoom(query);
        asked.clear();
        asked.putInt((int) query.user).putInt(k).putInt(query.seen.length);
        for (long item : query.seen) {
            asked.putInt((int) item);
        }
        int found = checkCode(recommend(model, asked, items, scores, scratch), "answer");
        long[] chosen = new long[found];
        float[] theirs = new float[found];
        for (int rank = 0; rank < found; rank++) {
            chosen[rank] = items.getInt(4 * rank) & 0xffffffffL;
            theirs[rank] = scores.getFloat(4 * rank);
        }
        return Answer.checked(chosen, theirs, k, contract);
    }

    private void makeRoom(Query query) {
        if (asked.capacity() < 4 * (ASKED_WORDS + query.seen.length)) {
            asked = words(ASKED_WORDS + query.seen.length);
        }
        if (items.capacity() < 4 * query.k) {
            items = words(query.k);
            scores = words(query.k);
        }
        long needed = scratchBytes(model, query.k);
        if (scratch.capacity() < needed) {
            scratch = ByteBuffer.allocateDirect((int) needed);
        }
    }

    private static ByteBuffer words(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder());
    }

    private int checkCode(int code, String what) throws BundleException {
        if (code >= 0) {
            return code;
        }
        String why = -code <= ERRORS.length ? ERRORS[-code - 1] : "code " + code;
        throw new BundleException(
                Fault.MODEL, "the C engine cannot " + what + " " + contract.modelFile + ": " + why);
    }

    @Override
    public String runtime() {
        return "recpress c " + ModelBin.VERSION;
    }

    /** The buffers go with the last reference to them. */
    @Override
    public void close() {}

    private static native int modelBytes();

    private static native int open(ByteBuffer model, ByteBuffer file);

    private static native long scratchBytes(ByteBuffer model, int k);

    private static native int recommend(
            ByteBuffer model, ByteBuffer asked, ByteBuffer items, ByteBuffer scores, ByteBuffer scratch);
}
