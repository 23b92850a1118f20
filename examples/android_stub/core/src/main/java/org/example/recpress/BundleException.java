package org.example.recpress;

/** A bundle that is refused. The message is for people, {@link #fault()} for programs. */
public final class BundleException extends Exception {
    private static final long serialVersionUID = 1L;

    private final Fault fault;

    public BundleException(Fault fault, String message) {
        super(message);
        this.fault = fault;
    }

    public BundleException(Fault fault, String message, Throwable cause) {
        super(message, cause);
        this.fault = fault;
    }

    public Fault fault() {
        return fault;
    }
}
