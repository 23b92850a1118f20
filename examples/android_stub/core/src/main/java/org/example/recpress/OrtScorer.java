package org.example.recpress;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** ONNX Runtime on the CPU: one thread, no spinning, no arena, no telemetry. */
public final class OrtScorer implements Scorer {
    /**
     * Must be "1" in the process's environment before the first class of ai.onnxruntime loads, since newer releases
     * start vendor telemetry. Java cannot set it: an app calls android.system.Os.setenv, a JVM is started with it.
     */
    public static final String TELEMETRY_OFF = "ORT_DISABLE_TELEMETRY";

    /** For {@link Recommender#open}. */
    public static final Recommender.ScorerFactory FACTORY = new Recommender.ScorerFactory() {
        @Override
        public String format() {
            return "onnx";
        }

        @Override
        public void load() {
            environment();
        }

        @Override
        public Scorer open(RecBundle bundle) throws BundleException {
            return new OrtScorer(bundle);
        }
    };

    private final OrtEnvironment environment;
    private final OrtSession session;
    private final Contract contract;
    private final Set<String> outputs = new LinkedHashSet<String>();

    /** Loads a bundle's model; the file is opened by path, since its bytes would cost their size again. */
    public OrtScorer(RecBundle bundle) throws BundleException {
        environment = environment();
        contract = bundle.contract();
        outputs.add(contract.itemsOutput);
        outputs.add(contract.scoresOutput);
        String path = bundle.modelFile().getPath();
        Map<String, OnnxJavaType> takes =
                tensors(OnnxJavaType.INT64, contract.userInput, contract.seenInput, contract.kInput);
        Map<String, OnnxJavaType> gives = tensors(OnnxJavaType.INT64, contract.itemsOutput);
        gives.putAll(tensors(OnnxJavaType.FLOAT, contract.scoresOutput));
        session = open(path, takes, gives, true);
    }

    /** Loads the native library, the first time; refuses to where telemetry could start. */
    public static OrtEnvironment environment() {
        String value = System.getenv(TELEMETRY_OFF);
        if (!"1".equals(value)) {
            throw new IllegalStateException(
                    TELEMETRY_OFF + " must be 1 before onnxruntime loads, it is " + value
                            + ". On Android: Os.setenv(OrtScorer.TELEMETRY_OFF, \"1\", true) first of all; "
                            + "on a JVM: set it in the launcher's environment");
        }
        return OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
    }

    private static OrtSession.SessionOptions options() throws OrtException {
        OrtSession.SessionOptions options = new OrtSession.SessionOptions();
        options.setIntraOpNumThreads(1);
        options.setInterOpNumThreads(1);
        options.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
        options.setCPUArenaAllocator(false);
        options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
        options.addConfigEntry("session.load_model_format", "ONNX");
        options.addConfigEntry("session.intra_op.allow_spinning", "0");
        options.addConfigEntry("session.inter_op.allow_spinning", "0");
        return options;
    }

    /**
     * A session of a file that takes and gives these tensors, and, where {@code more}, gives others beside; MODEL fault
     * for any other.
     */
    static OrtSession open(
            String path, Map<String, OnnxJavaType> takes, Map<String, OnnxJavaType> gives, boolean more)
            throws BundleException {
        OrtSession opened = null;
        boolean fits = false;
        try {
            OrtSession.SessionOptions options = options();
            try {
                opened = environment().createSession(path, options);
            } finally {
                options.close();
            }
            Map<String, OnnxJavaType> in = types(opened.getInputInfo());
            Map<String, OnnxJavaType> out = types(opened.getOutputInfo());
            boolean given = more ? out.entrySet().containsAll(gives.entrySet()) : out.equals(gives);
            if (!in.equals(takes) || !given) {
                throw new BundleException(
                        Fault.MODEL,
                        path + " does not fit its contract: it takes " + in + " and gives " + out
                                + ", the contract says " + takes + " and " + gives);
            }
            fits = true;
            return opened;
        } catch (OrtException error) {
            throw new BundleException(Fault.MODEL, "onnxruntime cannot load " + path + ": " + error.getMessage(), error);
        } finally {
            if (!fits) {
                close(opened);
            }
        }
    }

    /** Tensors of one type by name; an empty name is none. */
    static Map<String, OnnxJavaType> tensors(OnnxJavaType type, String... names) {
        Map<String, OnnxJavaType> found = new TreeMap<String, OnnxJavaType>();
        for (String name : names) {
            if (!name.isEmpty()) {
                found.put(name, type);
            }
        }
        return found;
    }

    private static Map<String, OnnxJavaType> types(Map<String, NodeInfo> nodes) {
        Map<String, OnnxJavaType> found = new TreeMap<String, OnnxJavaType>();
        for (Map.Entry<String, NodeInfo> node : nodes.entrySet()) {
            Object info = node.getValue().getInfo();
            found.put(
                    node.getKey(), info instanceof TensorInfo ? ((TensorInfo) info).type : OnnxJavaType.UNKNOWN);
        }
        return found;
    }

    @Override
    public Answer run(Query query) throws BundleException {
        Map<String, OnnxTensor> inputs = new LinkedHashMap<String, OnnxTensor>();
        try {
            if (!contract.userInput.isEmpty()) {
                inputs.put(contract.userInput, tensor(query.user));
            }
            inputs.put(contract.seenInput, tensor(query.seen));
            inputs.put(contract.kInput, tensor(query.k));
            OrtSession.Result result = session.run(inputs, outputs);
            try { // by position: get(String) returns an Optional, which old Androids lack
                OnnxTensor items = vector(result.get(0), query.k);
                OnnxTensor scores = vector(result.get(1), query.k);
                return Answer.checked(
                        items.getLongBuffer().array(), scores.getFloatBuffer().array(), query.k, contract);
            } finally {
                result.close();
            }
        } catch (OrtException error) {
            throw new BundleException(
                    Fault.MODEL, "the model failed on user " + query.user + " with k " + query.k, error);
        } finally {
            for (OnnxTensor tensor : inputs.values()) {
                tensor.close();
            }
        }
    }

    /** The output, when it is a vector of k; looked at before anything is copied out of the runtime. */
    static OnnxTensor vector(OnnxValue value, int k) throws BundleException {
        long[] shape = value instanceof OnnxTensor ? ((OnnxTensor) value).getInfo().getShape() : new long[0];
        if (shape.length != 1 || shape[0] != k) {
            throw new BundleException(
                    Fault.MODEL, "the model was asked for " + k + " items and gave shape " + Arrays.toString(shape));
        }
        return (OnnxTensor) value;
    }

    private OnnxTensor tensor(long... values) throws OrtException {
        return tensor(environment, values);
    }

    static OnnxTensor tensor(OrtEnvironment environment, long... values) throws OrtException {
        return OnnxTensor.createTensor(environment, LongBuffer.wrap(values), new long[] {values.length});
    }

    @Override
    public String runtime() {
        return "onnxruntime " + environment.getVersion();
    }

    @Override
    public void close() {
        close(session);
    }

    static void close(OrtSession session) {
        try {
            if (session != null) {
                session.close();
            }
        } catch (OrtException error) {
            throw new IllegalStateException("onnxruntime cannot close a session", error);
        }
    }
}
