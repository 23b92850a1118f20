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

/** A click model's file in a session of ONNX Runtime; see {@link OrtScorer} for its options and its telemetry. */
final class OrtClicks implements Closeable {
    private final OrtEnvironment environment;
    private final OrtSession session;
    private final ClickContract contract;
    private final Set<String> outputs = new LinkedHashSet<String>();

    /** Loads a bundle's model. */
    OrtClicks(ClickBundle bundle) throws BundleException {
        environment = OrtScorer.environment();
        contract = bundle.contract();
        outputs.add(ClickContract.ITEMS_OUTPUT);
        outputs.add(ClickContract.SCORES_OUTPUT);
        String path = bundle.modelFile().getPath();
        Map<String, OnnxJavaType> takes = OrtScorer.tensors(
                OnnxJavaType.INT64, ClickContract.ROWS_INPUT, ClickContract.CANDIDATES_INPUT, ClickContract.K_INPUT);
        Map<String, OnnxJavaType> gives = OrtScorer.tensors(OnnxJavaType.INT64, ClickContract.ITEMS_OUTPUT);
        gives.putAll(OrtScorer.tensors(OnnxJavaType.FLOAT, ClickContract.SCORES_OUTPUT));
        session = OrtScorer.open(path, takes, gives, false);
    }

    /** The best k of the candidates, ascending and distinct, for a row; MODEL fault where the model fails. */
    Answer rank(long[] row, long[] candidates, int k) throws BundleException {
        Map<String, OnnxTensor> inputs = new LinkedHashMap<String, OnnxTensor>();
        try {
            inputs.put(ClickContract.ROWS_INPUT, tensor(row));
            inputs.put(ClickContract.CANDIDATES_INPUT, tensor(candidates));
            inputs.put(ClickContract.K_INPUT, tensor(k));
            OrtSession.Result result = session.run(inputs, outputs);
            try { // by position: get(String) returns an Optional, which old Androids lack
                long[] items = OrtScorer.vector(result.get(0), k).getLongBuffer().array();
                float[] scores = OrtScorer.vector(result.get(1), k).getFloatBuffer().array();
                return Answer.checked(items, scores, k, contract.nItems);
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

    private OnnxTensor tensor(long... values) throws OrtException {
        return OrtScorer.tensor(environment, values);
    }

    @Override
    public void close() {
        OrtScorer.close(session);
    }
}
