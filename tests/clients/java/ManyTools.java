// Runs Kafka's command line tools one after the other in one JVM: a line of standard input is a class and its arguments.
//
// What the tool prints is printed, and then a line `exit CODE`. Starting a JVM for each would take most of the time of a test.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

public final class ManyTools {
    /** What a tool throws when it would have ended the process. */
    static final class Ended extends RuntimeException {
        final int code;

        Ended(int code) {
            this.code = code;
        }
    }

    static int run(String[] words) throws Exception {
        try {
            Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            return 0;
        } catch (InvocationTargetException thrown) {
            Throwable cause = thrown.getCause();
            if (cause instanceof Ended ended) {
                return ended.code;
            }
            System.out.println("Exception in thread \"main\" " + cause);
            return 1;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code);
        });
        Exit.setHaltProcedure((code, message) -> {
            throw new Ended(code);
        });
        System.setErr(System.out);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            int code = run(line.split(" "));
            System.out.println();
            System.out.println("exit " + code);
            System.out.flush();
        }
    }
}
