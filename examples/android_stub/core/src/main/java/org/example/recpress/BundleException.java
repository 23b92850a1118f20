package org.example.recpress;

/** A bundle that is refused. The message is for people, one printable line, {@link #fault()} for programs. */
public final class BundleException extends Exception {
    private static final long serialVersionUID = 1L;

    private final Fault fault;

    public BundleException(Fault fault, String message) {
        super(Printable.oneLine(message));
        this.fault = fault;
    }

    public BundleException(Fault fault, String message, Throwable cause) {
        super(Printable.oneLine(message), cause);
        this.fault = fault;
    }

    public Fault fault() {
        return fault;
    }
}
