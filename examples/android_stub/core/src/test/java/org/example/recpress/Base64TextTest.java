package org.example.recpress;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import java.util.Base64;
import org.junit.Test;

/** Base64 of signatures and keys: the vectors of RFC 4648, the platform's own encoder, and texts that are none. */
public class Base64TextTest {
    @Test
    public void theVectorsOfTheStandard() {
        String[] texts = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
        for (int length = 0; length < texts.length; length++) {
            assertEquals("foobar".substring(0, length), new String(Base64Text.decode(texts[length]), Json.UTF_8));
        }
    }

    @Test
    public void whatThePlatformEncodes() {
        byte[] bytes = new byte[259];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 7);
        }
        assertArrayEquals(bytes, Base64Text.decode(Base64.getEncoder().encodeToString(bytes)));
    }

    @Test
    public void textsThatAreNone() {
        for (String text : new String[] {"Zg", "Zg=", "Z===", "====", "Zm9v=", "Zm 9", "Zm9\u00e9", "Zm-_", "=m9v", "Zm=v"}) {
            try {
                Base64Text.decode(text);
                fail(text);
            } catch (IllegalArgumentException expected) {
                // as it should be
            }
        }
    }
}
