package org.example.recpress;

/** Which scorer answers from which file: ONNX Runtime from .onnx, plain Java from model.bin. */
public final class Scorers {
    private Scorers() {}

    /** The one for a bundle's format; UNSUPPORTED fault where there is none. */
    public static Recommender.ScorerFactory of(RecBundle bundle) throws BundleException {
        String format = bundle.contract().format;
        if (format.equals("c")) {
            return ModelBinScorer.FACTORY;
        }
        if (format.equals("onnx")) {
            return OrtScorer.FACTORY;
        }
        throw new BundleException(
                Fault.UNSUPPORTED,
                bundle.name() + " holds a " + format + " model; this library runs onnx and c. "
                        + "Export it with --format onnx or --format c");
    }
}
