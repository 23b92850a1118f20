package org.example.recpress;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Memory of this process, as Linux and so Android accounts for it. */
final class ProcessMemory {
    private static final long LIMIT = 1 << 20;

    private ProcessMemory() {}

    /** vm_hwm: highest resident size so far; pss_anon: private memory held now. Null where it cannot be read. */
    static Map<String, Object> read() {
        Map<String, Object> memory = new LinkedHashMap<String, Object>();
        memory.put("vm_hwm", field("/proc/self/status", "VmHWM"));
        memory.put("pss_anon", field("/proc/self/smaps_rollup", "Pss_Anon"));
        return memory;
    }

    private static Long field(String path, String name) {
        try {
            InputStream in = new FileInputStream(new File(path));
            try {
                String text = new String(BundleFiles.readBounded(in, LIMIT), "UTF-8");
                Matcher found = Pattern.compile("(?m)^" + name + ":\\s+(\\d+) kB$").matcher(text);
                return found.find() ? Long.valueOf(Long.parseLong(found.group(1)) * 1024) : null;
            } finally {
                in.close();
            }
        } catch (IOException error) {
            return null; // older kernels, and phones that do not show it
        }
    }
}
