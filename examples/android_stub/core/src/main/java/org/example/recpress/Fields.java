package org.example.recpress;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** Typed fields of a JSON object; one that is missing or of another type is named. */
final class Fields {
    private final Map<String, Object> values;
    private final String where;

    Fields(Map<String, Object> values, String where) {
        this.values = values;
        this.where = where;
    }

    String text(String name) throws BundleException {
        Object value = present(name);
        if (!(value instanceof String)) {
            throw wrong(name, "text");
        }
        return (String) value;
    }

    boolean flag(String name) throws BundleException {
        Object value = present(name);
        if (!(value instanceof Boolean)) {
            throw wrong(name, "true or false");
        }
        return (Boolean) value;
    }

    long integer(String name) throws BundleException {
        Object value = present(name);
        if (!(value instanceof JsonNumber) || !((JsonNumber) value).isInteger()) {
            throw wrong(name, "an integer");
        }
        return ((JsonNumber) value).longValue();
    }

    double number(String name) throws BundleException {
        Object value = present(name);
        if (!(value instanceof JsonNumber)) {
            throw wrong(name, "a number");
        }
        return ((JsonNumber) value).doubleValue();
    }

    Fields object(String name) throws BundleException {
        Object value = present(name);
        if (!(value instanceof Map)) {
            throw wrong(name, "an object");
        }
        @SuppressWarnings("unchecked")
        Map<String, Object> object = (Map<String, Object>) value;
        return new Fields(object, where + ": " + name);
    }

    List<?> list(String name) throws BundleException {
        Object value = present(name);
        if (!(value instanceof List)) {
            throw wrong(name, "a list");
        }
        return (List<?>) value;
    }

    boolean has(String name) {
        return values.containsKey(name);
    }

    /** Of whatever type; null where there is none. */
    Object value(String name) {
        return values.get(name);
    }

    Set<String> names() {
        return values.keySet();
    }

    private Object present(String name) throws BundleException {
        if (!values.containsKey(name)) {
            throw new BundleException(Fault.FIELD, where + " lacks '" + name + "'");
        }
        return values.get(name);
    }

    private BundleException wrong(String name, String wanted) {
        String found = Json.canonical(values.get(name));
        String shown = found.length() > 60 ? found.substring(0, 60) + "…" : found;
        return new BundleException(Fault.FIELD, where + ": '" + name + "' must be " + wanted + ", found " + shown);
    }
}
