package org.example.recpress;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;

/** Stops before one of its steps: by an Error that nothing catches, or by ending the process. */
class StoppingDisk extends Disk {
    private int left;
    private final boolean halt;

    /** What is thrown in place of a kill. */
    static final class Stopped extends Error {
        private static final long serialVersionUID = 1L;
    }

    StoppingDisk(int after) {
        this(after, false);
    }

    StoppingDisk(int after, boolean halt) {
        left = after;
        this.halt = halt;
    }

    private void step() {
        if (left-- > 0) {
            return;
        }
        if (halt) {
            Runtime.getRuntime().halt(137);
        }
        throw new Stopped();
    }

    @Override
    void makeFolder(File folder) throws IOException {
        step();
        super.makeFolder(folder);
    }

    @Override
    FileOutputStream create(File file) throws IOException {
        step();
        return super.create(file);
    }

    @Override
    void sync(FileOutputStream file) {} // the machine stays on

    @Override
    void rename(File from, File to) throws IOException {
        step();
        super.rename(from, to);
    }

    @Override
    void delete(File file) throws IOException {
        step();
        super.delete(file);
    }
}
