package org.example.recpress;

import java.io.File;

/** What is asked of a version before it takes a bundle's place, beside its digests, which always are checked. */
public interface BundleCheck {
    /** Nothing: for a device that does not run the model itself. */
    BundleCheck DIGESTS = new BundleCheck() {
        @Override
        public void check(File folder, TrustedKeys trusted) {}
    };

    /** The self-test: by {@link Scorers#of}, of a click model and of two stages by ONNX Runtime. */
    BundleCheck SELF_TEST = new BundleCheck() {
        @Override
        public void check(File folder, TrustedKeys trusted) throws BundleException {
            if (AnyBundle.isOf(ClickBundle.SCHEMA, folder)) {
                ClickRanker.open(ClickBundle.open(folder, trusted)).close();
            } else if (AnyBundle.isOf(TwoStageBundle.SCHEMA, folder)) {
                TwoStageRecommender.open(TwoStageBundle.open(folder, trusted)).close();
            } else {
                Recommender.open(RecBundle.open(folder, trusted)).close();
            }
        }
    };

    /** BundleException for a bundle that must not be used; {@code trusted} may be null. */
    void check(File folder, TrustedKeys trusted) throws BundleException;
}
