package org.example.recpress;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.Closeable;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** The file of two stages in a session of ONNX Runtime; see {@link OrtScorer} for its options and its telemetry. */
final class OrtTwoStages implements Closeable {
    private final OrtEnvironment environment;
    private final OrtSession session;
    private final TwoStageContract contract;
    private final Set<String> outputs = new LinkedHashSet<String>();

    /** Loads a bundle's model. */
    OrtTwoStages(TwoStageBundle bundle) throws BundleException {
        environment = OrtScorer.environment();
        contract = bundle.contract();
        outputs.addAll(Arrays.asList(
                TwoStageContract.ITEMS_OUTPUT,
                TwoStageContract.SCORES_OUTPUT,
                TwoStageContract.FIRST_ITEMS,
                TwoStageContract.FIRST_SCORES));
        String path = bundle.modelFile().getPath();
        Map<String, OnnxJavaType> takes = OrtScorer.tensors(
                OnnxJavaType.INT64, contract.first.userInput, contract.first.seenInput, TwoStageContract.ROWS_INPUT,
                TwoStageContract.RETRIEVE_INPUT, TwoStageContract.K_INPUT);
        Map<String, OnnxJavaType> gives =
                OrtScorer.tensors(OnnxJavaType.INT64, TwoStageContract.ITEMS_OUTPUT, TwoStageContract.FIRST_ITEMS);
        gives.putAll(OrtScorer.tensors(
                OnnxJavaType.FLOAT, TwoStageContract.SCORES_OUTPUT, TwoStageContract.FIRST_SCORES));
        session = OrtScorer.open(path, takes, gives, false);
    }

    /** What one run of the file gives. */
    static final class Lists {
        /** The best k, and what they are ranked by. */
        final Answer best;
        /** What the first stage finds. */
        final Answer first;

        private Lists(Answer best, Answer first) {
            this.best = best;
            this.first = first;
        }
    }

    /**
     * Both lists of a checked request; MODEL fault where the model fails. {@code user}: an index, of which a file
     * without users takes none; {@code k}: at most what the first stage finds.
     */
    Lists lists(long user, long[] seen, long[] row, int k) throws BundleException {
        int retrieve = contract.retrieve(seen);
        Map<String, OnnxTensor> inputs = new LinkedHashMap<String, OnnxTensor>();
        try {
            if (!contract.first.userInput.isEmpty()) {
                inputs.put(contract.first.userInput, tensor(user));
            }
            inputs.put(contract.first.seenInput, tensor(seen));
            inputs.put(TwoStageContract.ROWS_INPUT, tensor(row));
            inputs.put(TwoStageContract.RETRIEVE_INPUT, tensor(retrieve));
            inputs.put(TwoStageContract.K_INPUT, tensor(k));
            OrtSession.Result result = session.run(inputs, outputs);
            try {
                return new Lists(answer(result, 0, k), answer(result, 2, retrieve));
            } finally {
                result.close();
            }
        } catch (OrtException error) {
            throw new BundleException(Fault.MODEL, "the model failed on row " + Arrays.toString(row), error);
        } finally {
            for (OnnxTensor tensor : inputs.values()) {
                tensor.close();
            }
        }
    }

    /** Items and scores at a place; by position, since get(String) returns an Optional, which old Androids lack. */
    private Answer answer(OrtSession.Result result, int place, int size) throws BundleException {
        long[] items = OrtScorer.vector(result.get(place), size).getLongBuffer().array();
        float[] scores = OrtScorer.vector(result.get(place + 1), size).getFloatBuffer().array();
        return Answer.checked(items, scores, size, contract.first.nItems);
    }

    private OnnxTensor tensor(long... values) throws OrtException {
        return OrtScorer.tensor(environment, values);
    }

    @Override
    public void close() {
        OrtScorer.close(session);
    }
}
