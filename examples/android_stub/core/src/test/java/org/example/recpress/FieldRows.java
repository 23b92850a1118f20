package org.example.recpress;

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Rows of drawn contracts and values, a line of JSON each; benchmarks/field_fuzz.py compares them with Python's. */
public final class FieldRows {
    private FieldRows() {}

    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(new FileInputStream(args[0]), Json.UTF_8));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(answers(Json.parseObject(line.getBytes(Json.UTF_8), "case")));
        }
        out.flush();
        lines.close();
    }

    @SuppressWarnings("unchecked")
    private static String answers(Map<String, Object> drawn) throws BundleException {
        List<FeatureField> fields = new ArrayList<FeatureField>();
        for (Object entry : (List<?>) drawn.get("features")) {
            Map<String, Object> facts = (Map<String, Object>) entry;
            List<String> values =
                    facts.containsKey("values") ? Fixtures.texts(facts.get("values")) : new ArrayList<String>();
            fields.add(new FeatureField(new Fields(facts, "case"), values, "case"));
        }
        StringBuilder out = new StringBuilder("[");
        for (Object row : (List<?>) drawn.get("rows")) {
            out.append(out.length() == 1 ? "" : ",").append(row(fields, (Map<?, ?>) row));
        }
        return out.append("]").toString();
    }

    private static String row(List<FeatureField> fields, Map<?, ?> values) {
        List<Object> row = new ArrayList<Object>();
        for (FeatureField field : fields) {
            long[] part = new long[field.width()];
            try {
                field.encode(plain(values.get(field.name)), part, 0);
            } catch (IllegalArgumentException error) {
                return "\"refused\"";
            }
            for (long one : part) {
                row.add(one);
            }
        }
        return Json.canonical(row);
    }

    /** A value of JSON as an application states it. */
    static Object plain(Object value) {
        if (value instanceof JsonNumber) {
            JsonNumber number = (JsonNumber) value;
            return number.isInteger() ? (Object) new BigInteger(number.canonical()) : (Object) number.doubleValue();
        }
        if (value instanceof List) {
            List<Object> found = new ArrayList<Object>();
            for (Object one : (List<?>) value) {
                found.add(plain(one));
            }
            return found;
        }
        if (value instanceof Map) {
            Map<String, Object> found = new LinkedHashMap<String, Object>();
            for (Map.Entry<?, ?> one : ((Map<?, ?>) value).entrySet()) {
                found.put((String) one.getKey(), plain(one.getValue()));
            }
            return found;
        }
        return value;
    }
}
