package org.example.recpress;

/** A user or item id that is not in the bundle's id maps. */
public final class UnknownIdException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final String id;

    UnknownIdException(String id, String message) {
        super(Printable.oneLine(message));
        this.id = id;
    }

    /** The id that was asked for. */
    public String id() {
        return id;
    }
}
