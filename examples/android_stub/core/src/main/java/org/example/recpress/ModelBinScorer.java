package org.example.recpress;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Answers from a model.bin in plain Java: no runtime, no native code.
 *
 * <p>Integer recipes are exact: the ids and scores of every other engine. In fp32 files a score is a sum in the order
 * of the dimensions.
 */
public final class ModelBinScorer implements Scorer {
    /** For {@link Recommender#open}. */
    public static final Recommender.ScorerFactory FACTORY = new Recommender.ScorerFactory() {
        @Override
        public String format() {
            return "c";
        }

        @Override
        public void load() {}

        @Override
        public Scorer open(RecBundle bundle) throws BundleException {
            return new ModelBinScorer(ModelBin.open(bundle.modelFile()), bundle.contract());
        }
    };

    private final Contract contract;
    private final ModelBin model;
    private final UserRow row;
    private final ItemBlock block;
    private final BitSet retired;

    /** MODEL fault where the model is not the contract's. */
    ModelBinScorer(ModelBin model, Contract contract) throws BundleException {
        this.model = model;
        this.contract = contract;
        model.checkContract(contract);
        row = new UserRow(model);
        block = new ItemBlock(model);
        retired = model.retiredItems();
    }

    @Override
    public Answer run(Query query) throws BundleException {
        row.fill((int) query.user, query.seen);
        BitSet hidden = (BitSet) retired.clone();
        for (long item : query.seen) {
            hidden.set((int) item);
        }
        BestItems best = new BestItems(query.k);
        for (int n = 0; n < model.blocks(); n++) {
            block.score(n, row);
            int first = n * ModelBin.BLOCK;
            int count = Math.min(ModelBin.BLOCK, model.nItems - first);
            for (int i = 0; i < count; i++) {
                int item = model.itemAt(first + i);
                long key = block.key(i, item);
                if (best.takes(key) && !hidden.get(item)) {
                    best.add(key);
                }
            }
        }
        return answer(best, query.k);
    }

    private Answer answer(BestItems best, int k) throws BundleException {
        long[] keys = best.sorted();
        long[] items = new long[keys.length];
        float[] scores = new float[keys.length];
        for (int rank = 0; rank < keys.length; rank++) {
            items[rank] = BestItems.item(keys[rank]);
            scores[rank] = block.scoreOf(keys[rank]) * row.scale();
        }
        return Answer.checked(items, scores, k, contract);
    }

    @Override
    public String runtime() {
        return "recpress java " + ModelBin.VERSION;
    }

    /** The mapping goes with the last reference to it. */
    @Override
    public void close() {}

    /** A user's row: looked up, or made of what was consumed. */
    private static final class UserRow {
        /** What an age's weight of 1 is in integers. */
        private static final int UNIT = 127;

        final int[] integers;
        final float[] floats;
        private final ModelBin model;
        private final ByteBuffer bytes;
        private float scale;

        UserRow(ModelBin model) {
            this.model = model;
            bytes = model.bytes();
            integers = new int[model.evenDim()];
            floats = new float[model.dim];
        }

        /** What the returned scores are multiplied with; 1 where numbers are floats. */
        float scale() {
            return scale;
        }

        void fill(int user, long[] consumed) {
            scale = 1;
            if (model.recipe == ModelBin.FP32) {
                fillFloats(user, consumed);
            } else if (model.history == 0) {
                for (int d = 0; d < model.dim; d++) {
                    integers[d] = bytes.get(model.users + user * model.dim + d);
                }
                scale = model.userScale == 0 ? 1 : bytes.getFloat(model.userScale + 4 * user);
            } else {
                fold(consumed);
            }
        }

        private void fillFloats(int user, long[] consumed) {
            int start = model.history == 0 ? model.users + 4 * user * model.dim : model.prior;
            for (int d = 0; d < model.dim; d++) {
                floats[d] = bytes.getFloat(start + 4 * d);
            }
            for (int n = 0; model.history != 0 && n < read(consumed); n++) {
                int at = model.history + 4 * (int) itemRead(consumed, n) * model.dim;
                int by = model.ages + 4 * n * model.dim;
                for (int d = 0; d < model.dim; d++) {
                    float weight = model.historyLength == 0 ? 1 : bytes.getFloat(by + 4 * d);
                    floats[d] += weight * bytes.getFloat(at + 4 * d);
                }
            }
        }

        /** How many of the consumed items make the row. */
        private int read(long[] consumed) {
            return model.historyLength == 0 ? consumed.length : Math.min(consumed.length, model.historyLength);
        }

        /** The n-th of them: of a history with ages the newest first. */
        private long itemRead(long[] consumed, int n) {
            return model.historyLength == 0 ? consumed[n] : consumed[consumed.length - 1 - n];
        }

        /** sign(sum) · ⌊(254 |sum| + peak) / (2 peak)⌋, as recpress_edge/artifacts/fold_in.py defines it. */
        private void fold(long[] consumed) {
            long[] sums = new long[model.dim];
            long peak = 1;
            boolean aged = model.historyLength != 0;
            for (int d = 0; d < model.dim; d++) {
                sums[d] = bytes.get(model.prior + d) * (aged ? UNIT : 1);
                for (int n = 0; n < read(consumed); n++) {
                    int weight = aged ? bytes.get(model.ages + n * model.dim + d) : 1;
                    sums[d] += weight * bytes.get(model.history + (int) itemRead(consumed, n) * model.dim + d);
                }
                peak = Math.max(peak, Math.abs(sums[d]));
            }
            for (int d = 0; d < model.dim; d++) {
                long level = (254 * Math.abs(sums[d]) + peak) / (2 * peak);
                integers[d] = (int) (sums[d] < 0 ? -level : level);
            }
            scale = (float) peak * model.step;
        }
    }

    /** The scores of 32 items that lie together. */
    private static final class ItemBlock {
        private static final int SIZE = ModelBin.BLOCK;

        private final ModelBin model;
        private final ByteBuffer bytes;
        private final byte[] values;
        private final int[] sums = new int[SIZE];
        private final float[] products = new float[SIZE];
        private final boolean inIntegers;

        ItemBlock(ModelBin model) {
            this.model = model;
            bytes = model.bytes();
            values = new byte[model.recipe == ModelBin.FP32 ? 0 : SIZE * model.evenDim()];
            inIntegers = model.recipe == ModelBin.INT8_DIM;
        }

        long key(int i, int item) {
            return inIntegers ? BestItems.key(sums[i], item) : BestItems.key(products[i], item);
        }

        float scoreOf(long key) {
            return inIntegers ? BestItems.integer(key) : BestItems.number(key);
        }

        void score(int number, UserRow row) {
            int at = model.items + number * model.blockBytes();
            if (model.recipe == ModelBin.FP32) {
                multiplyFloats(at, row.floats);
                return;
            }
            load(at);
            Arrays.fill(sums, 0);
            if (model.layout == ModelBin.DIMS) {
                multiplyDims(row.integers);
            } else {
                multiplyQuads(row.integers);
            }
            for (int i = 0; model.hasItemScales() && i < SIZE; i++) {
                short half = bytes.getShort(at + model.valueBytes() + 2 * i);
                products[i] = (float) sums[i] * Half.toFloat(half);
            }
        }

        private void multiplyFloats(int at, float[] row) {
            Arrays.fill(products, 0);
            for (int d = 0; d < row.length; d++) {
                for (int i = 0; i < SIZE; i++) {
                    products[i] += row[d] * bytes.getFloat(at + 4 * (d * SIZE + i));
                }
            }
        }

        /** The block's integers, one in a byte. */
        private void load(int at) {
            bytes.position(at);
            if (model.recipe != ModelBin.INT4_ITEM) {
                bytes.get(values);
                return;
            }
            bytes.get(values, 0, values.length / 2);
            // From the last pair of vectors: 16 bytes hold one in their low halves, the next in their high ones.
            for (int pair = values.length / 32 - 1; pair >= 0; pair--) {
                for (int lane = 15; lane >= 0; lane--) {
                    int both = values[16 * pair + lane];
                    values[32 * pair + 16 + lane] = (byte) ((both >> 4 & 15) - 8);
                    values[32 * pair + lane] = (byte) ((both & 15) - 8);
                }
            }
        }

        /** Of each eight items, two dimensions lie together. */
        private void multiplyDims(int[] row) {
            for (int d = 0; d < row.length; d += 2) {
                for (int i = 0; i < SIZE; i++) {
                    int at = d * SIZE + 16 * (i / 8) + i % 8;
                    sums[i] += row[d] * values[at] + row[d + 1] * values[at + 8];
                }
            }
        }

        private void multiplyQuads(int[] row) {
            int d = 0;
            int at = 0;
            for (; d + 4 <= row.length; d += 4) {
                for (int i = 0; i < SIZE; i++, at += 4) {
                    sums[i] += row[d] * values[at] + row[d + 1] * values[at + 1]
                            + row[d + 2] * values[at + 2] + row[d + 3] * values[at + 3];
                }
            }
            for (int i = 0; d < row.length && i < SIZE; i++) { // two dimensions are left
                int pair = at + 16 * (i / 8) + 4 * (i % 4) + 2 * (i / 4 % 2);
                sums[i] += row[d] * values[pair] + row[d + 1] * values[pair + 1];
            }
        }
    }
}
