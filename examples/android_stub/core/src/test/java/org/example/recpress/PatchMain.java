package org.example.recpress;

import java.io.File;

/** "apply FOLDER PATCH STEPS", which ends the process before a step that changes the disk, or "settle FOLDER". */
public final class PatchMain {
    private PatchMain() {}

    public static void main(String[] args) throws Exception {
        File folder = new File(args[1]);
        if (args[0].equals("apply")) {
            Disk disk = new StoppingDisk(Integer.parseInt(args[3]), true);
            Patch.apply(folder, new File(args[2]), null, BundleCheck.DIGESTS, disk);
        } else {
            Versions.settle(folder);
        }
        System.out.println(AnyBundle.open(folder, null).digest);
    }
}
