package org.example.recpress;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.Closeable;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

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
        OrtSession opened = null;
        boolean fits = false;
        try {
            OrtSession.SessionOptions options = OrtScorer.options();
            try {
                opened = environment.createSession(path, options);
            } finally {
                options.close();
            }
            checkInterface(opened, path);
            fits = true;
        } catch (OrtException error) {
            throw new BundleException(Fault.MODEL, "onnxruntime cannot load " + path + ": " + error.getMessage(), error);
        } finally {
            if (!fits) {
                OrtScorer.close(opened);
            }
        }
        session = opened;
    }

    private static void checkInterface(OrtSession opened, String path) throws OrtException, BundleException {
        Map<String, OnnxJavaType> wantedIn = new TreeMap<String, OnnxJavaType>();
        wantedIn.put(ClickContract.ROWS_INPUT, OnnxJavaType.INT64);
        wantedIn.put(ClickContract.CANDIDATES_INPUT, OnnxJavaType.INT64);
        wantedIn.put(ClickContract.K_INPUT, OnnxJavaType.INT64);
        Map<String, OnnxJavaType> wantedOut = new TreeMap<String, OnnxJavaType>();
        wantedOut.put(ClickContract.ITEMS_OUTPUT, OnnxJavaType.INT64);
        wantedOut.put(ClickContract.SCORES_OUTPUT, OnnxJavaType.FLOAT);
        Map<String, OnnxJavaType> in = OrtScorer.types(opened.getInputInfo());
        Map<String, OnnxJavaType> out = OrtScorer.types(opened.getOutputInfo());
        if (!in.equals(wantedIn) || !out.equals(wantedOut)) {
            throw new BundleException(
                    Fault.MODEL, path + " does not fit its contract: it takes " + in + " and gives " + out);
        }
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
        return OnnxTensor.createTensor(environment, LongBuffer.wrap(values), new long[] {values.length});
    }

    @Override
    public void close() {
        OrtScorer.close(session);
    }
}
