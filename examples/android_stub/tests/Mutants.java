import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.runner.JUnitCore;
import org.junit.runner.Request;
import org.junit.runner.Result;
import org.junit.runner.notification.Failure;

/**
 * Many mutants of the library in one JVM: each is compiled against the library and loaded before it, by a class loader
 * of its own, and one test runs.
 *
 * <p>CORE TEST, folders of classes, then SOURCE OUT CLASS METHOD for each mutant (SOURCE "none": the library as it is).
 * A line each: "fails" and what the test said, "passes", or "error" and why the mutant could not be tried.
 */
public final class Mutants {
    private final String core;
    private final String test;
    private final JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    private final StandardJavaFileManager files = compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8);

    private Mutants(String core, String test) {
        this.core = core;
        this.test = test;
    }

    public static void main(String[] args) throws Exception {
        Mutants mutants = new Mutants(args[0], args[1]);
        PrintStream out = System.out;
        System.setOut(new PrintStream(new ByteArrayOutputStream())); // what tests say of themselves
        for (int i = 2; i < args.length; i += 4) {
            out.println(mutants.outcome(args[i], args[i + 1], args[i + 2], args[i + 3]).replaceAll("\\s+", " "));
            out.flush();
        }
    }

    private String outcome(String source, String target, String tests, String method) throws Exception {
        String fault = source.equals("none") ? "" : compiled(source, target);
        if (!fault.isEmpty()) {
            return "error " + fault;
        }
        URL[] places = {url(target), url(core), url(test)};
        URLClassLoader loader = new URLClassLoader(places, Mutants.class.getClassLoader());
        try {
            Thread.currentThread().setContextClassLoader(loader);
            return ran(Class.forName(tests, true, loader), method);
        } finally {
            loader.close();
        }
    }

    private String compiled(String source, String target) {
        StringWriter said = new StringWriter();
        Iterable<String> flags = Arrays.asList(
                "--release", "8", "-Xlint:all,-options,-path", "-Werror", "-encoding", "UTF-8",
                "-cp", core + File.pathSeparator + System.getProperty("java.class.path"), "-d", target);
        boolean done = compiler.getTask(said, files, null, flags, null, files.getJavaFileObjects(source)).call();
        return done ? "" : "does not compile: " + said;
    }

    private static String ran(Class<?> tests, String method) {
        Result result = new JUnitCore().run(Request.method(tests, method));
        if (result.getFailures().isEmpty()) {
            return result.getRunCount() == 1 ? "passes" : "error no test ran";
        }
        Failure failure = result.getFailures().get(0);
        return (method.equals(failure.getDescription().getMethodName()) ? "fails " : "error ") + failure;
    }

    private static URL url(String folder) throws Exception {
        return new File(folder).toURI().toURL(); // of a folder that is there it ends with a slash
    }
}
