package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;
import static org.junit.Assume.assumeNotNull;

import java.io.File;
import java.util.List;
import java.util.Map;
import org.junit.Before;
import org.junit.Test;

/** The C engine through JNI; needs -Djava.library.path to a folder with librecpress.so, and -Dnative. */
public class NativeScorerTest {
    @Before
    public void load() {
        assumeNotNull(System.getProperty("native"));
        NativeScorer.FACTORY.load();
    }

    @Test
    public void everyAnswerEqualsNumpys() throws Exception {
        int answers = 0;
        for (Map<?, ?> one : ModelBinTest.cases()) {
            Contract contract = ModelBinTest.contract(one);
            Scorer scorer = new NativeScorer(ModelBin.open(ModelBinTest.file(one)), contract);
            for (Object query : (List<?>) one.get("queries")) {
                ModelBinTest.check(scorer, contract, (Map<?, ?>) query, one.get("file") + " " + contract.recipe);
                answers++;
            }
        }
        System.out.println(answers + " answers of the C engine equal numpy's");
        assertTrue(answers + " answers", answers > 1000);
    }

    @Test
    public void itOpensBundlesAndSaysWhatItIs() throws Exception {
        File folder = new File(Fixtures.folder(), "bundles/int8-dim-c");
        Recommender recommender = Recommender.open(RecBundle.open(folder), NativeScorer.FACTORY);
        assertEquals("recpress c 1", recommender.scorer().runtime());
        recommender.close();
    }

    @Test
    public void whatTheEngineRefusesIsAModelFault() throws Exception {
        Map<?, ?> one = ModelBinTest.cases().get(0);
        Contract contract = ModelBinTest.contract(one);
        Scorer scorer = new NativeScorer(ModelBin.open(ModelBinTest.file(one)), contract);
        Query asked = Query.check(contract.nUsers > 0 ? 0 : SelfTest.NOBODY, new long[0], 1, contract);
        for (long[] wrong : new long[][] {{contract.nItems}, {0xffffffffL}}) {
            try {
                scorer.run(asked.withSeen(wrong));
                fail("an unknown item was taken");
            } catch (BundleException error) {
                assertEquals(Fault.MODEL, error.fault());
                assertTrue(error.getMessage(), error.getMessage().contains("no such item"));
            }
        }
    }
}
