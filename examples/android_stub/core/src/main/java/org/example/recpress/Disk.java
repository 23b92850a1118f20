package org.example.recpress;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;

/** All that changes a disk when a bundle changes, one step a call: a test stops between any two of them. */
class Disk {
    void makeFolder(File folder) throws IOException {
        if (!folder.mkdir()) {
            throw new IOException("cannot make " + folder);
        }
    }

    /** A new file; IOException where one is there. */
    FileOutputStream create(File file) throws IOException {
        if (!file.createNewFile()) {
            throw new IOException(file + " is there already");
        }
        return new FileOutputStream(file);
    }

    /** Returns when what was written is there, whatever happens to the power. */
    void sync(FileOutputStream file) throws IOException {
        file.getFD().sync();
    }

    /** One name becomes another, which no folder has. */
    void rename(File from, File to) throws IOException {
        if (!from.renameTo(to)) {
            throw new IOException("cannot rename " + from + " to " + to.getName());
        }
    }

    /** A file, or an empty folder. */
    void delete(File file) throws IOException {
        if (!file.delete()) {
            throw new IOException("cannot remove " + file);
        }
    }
}
