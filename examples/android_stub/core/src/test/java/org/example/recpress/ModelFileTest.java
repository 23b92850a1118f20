package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import org.junit.Test;

/** Files that the runtime would read as something else than the graph that is checked. */
public class ModelFileTest {
    private static String refusal(byte[] data) throws IOException {
        File file = File.createTempFile("model", ".onnx");
        try {
            FileOutputStream stream = new FileOutputStream(file);
            try {
                stream.write(data);
            } finally {
                stream.close();
            }
            ModelFile.check(file);
            fail("it is taken");
            return "";
        } catch (BundleException error) {
            assertEquals(Fault.MODEL, error.fault());
            return error.getMessage();
        } finally {
            assertTrue(file.delete());
        }
    }

    @Test
    public void theRuntimesOwnFormat() throws IOException {
        byte[] data = {0x1a, 0, 0, 0, 'O', 'R', 'T', 'M'};
        assertTrue(refusal(data), refusal(data).contains("onnxruntime's own format"));
        data[7] = 'N';
        assertTrue(refusal(data), !refusal(data).contains("own format"));
    }

    @Test
    public void tooShortForEither() throws IOException {
        assertTrue(refusal(new byte[] {0x1a, 0}).contains("no graph"));
    }
}
