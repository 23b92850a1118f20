package org.example.recpress;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What an ONNX file may be before the runtime sees it: whole in itself, of ONNX's own operators, bounded.
 *
 * <p>recpress_edge/artifacts/model_file.py in Java. Field numbers are those of onnx/onnx.proto.
 */
final class ModelFile {
    /** Nodes, tensors, attributes and their fields together; a file of ours has some hundreds. */
    private static final int MAX_PARTS = 200000;
    /** Graphs inside of attributes of nodes of graphs. */
    private static final int MAX_DEPTH = 24;
    private static final int MAX_NAME = 64;
    /** At byte 4 of a file of onnxruntime's own format, which would be run in place of the graph that is checked. */
    private static final byte[] ORT_FORMAT = {'O', 'R', 'T', 'M'};
    private static final String OUTSIDE = "a tensor's values are in another file (external data)";

    private enum Kind { MODEL, GRAPH, NODE, ATTRIBUTE, SPARSE_TENSOR, TENSOR }

    private final Deque<Part> waiting = new ArrayDeque<Part>();
    private int parts;
    private int graphs;
    private String other;

    private ModelFile() {}

    /** MODEL fault where the file would read other files, brings operators of its own, or is damaged. */
    static void check(File file) throws BundleException {
        try {
            RandomAccessFile opened = new RandomAccessFile(file, "r");
            try {
                if (opened.length() > Integer.MAX_VALUE) {
                    throw new IOException("it has more than 2 GB, which no ONNX file has");
                }
                // what is skipped is never read
                new ModelFile().check(opened.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, opened.length()));
            } finally {
                opened.close();
            }
        } catch (IOException error) {
            throw new BundleException(Fault.MODEL, file + " is refused: " + error.getMessage(), error);
        }
    }

    private void check(ByteBuffer data) throws IOException {
        if (isOrtFormat(data)) {
            throw new IOException("it is of onnxruntime's own format; only ONNX is run");
        }
        waiting.push(new Part(Kind.MODEL, data, 0));
        while (!waiting.isEmpty()) {
            Part part = waiting.pop();
            if (part.depth > MAX_DEPTH) {
                throw new IOException("its graphs are nested more than " + MAX_DEPTH + " deep");
            }
            graphs += part.kind == Kind.GRAPH ? 1 : 0;
            Protobuf fields = new Protobuf(part.data);
            while (fields.next()) {
                if (++parts > MAX_PARTS) {
                    throw new IOException("it has more than " + MAX_PARTS + " parts");
                }
                checkField(part.kind, fields);
                if (part.kind == Kind.NODE && fields.number() == 4 && other == null) {
                    String name = text(fields.bytes());
                    other = Operators.ONNX.contains(name) ? null : name;
                }
                Kind inside = inside(part.kind, fields.number());
                if (inside != null) {
                    waiting.push(new Part(inside, fields.bytes(), part.depth + 1));
                }
            }
        }
        if (graphs == 0) {
            throw new IOException("it has no graph");
        }
        if (other != null) {
            throw new IOException("it needs the operator '" + other + "', and only functions of tensors are run");
        }
    }

    private static boolean isOrtFormat(ByteBuffer data) {
        boolean same = data.remaining() >= 2 * ORT_FORMAT.length;
        for (int i = 0; same && i < ORT_FORMAT.length; i++) {
            same = data.get(ORT_FORMAT.length + i) == ORT_FORMAT[i];
        }
        return same;
    }

    private static void checkField(Kind kind, Protobuf field) throws IOException {
        int number = field.number();
        if (kind == Kind.MODEL && number == 20) {
            throw new IOException("it has graphs for training");
        }
        if (kind == Kind.MODEL && number == 25) {
            throw new IOException("it has functions of its own");
        }
        if (kind == Kind.TENSOR && (number == 13 || number == 14 && !field.isZero())) {
            throw new IOException(OUTSIDE);
        }
        if (kind == Kind.NODE && number == 7) {
            checkDomain(field.bytes());
        }
    }

    private static String text(ByteBuffer stored) {
        byte[] start = new byte[Math.min(stored.remaining(), MAX_NAME)];
        stored.get(start);
        return new String(start, Json.UTF_8);
    }

    private static void checkDomain(ByteBuffer stored) throws IOException {
        String domain = text(stored);
        if (!domain.isEmpty() && !domain.equals("ai.onnx")) {
            throw new IOException("an operator is of domain '" + domain + "'; only ONNX's own are run");
        }
    }

    /** The message in a field; null where it is none that matters. */
    private static Kind inside(Kind kind, int number) {
        switch (kind) {
            case MODEL:
                return number == 7 ? Kind.GRAPH : null;
            case GRAPH:
                return number == 1 ? Kind.NODE
                        : number == 5 ? Kind.TENSOR : number == 15 ? Kind.SPARSE_TENSOR : null;
            case NODE:
                return number == 5 ? Kind.ATTRIBUTE : null;
            case ATTRIBUTE:
                return number == 5 || number == 10 ? Kind.TENSOR
                        : number == 6 || number == 11 ? Kind.GRAPH
                        : number == 22 || number == 23 ? Kind.SPARSE_TENSOR : null;
            case SPARSE_TENSOR:
                return number == 1 || number == 2 ? Kind.TENSOR : null;
            default:
                return null;
        }
    }

    /** A message that is still to be looked through. */
    private static final class Part {
        final Kind kind;
        final ByteBuffer data;
        final int depth;

        Part(Kind kind, ByteBuffer data, int depth) {
            this.kind = kind;
            this.data = data;
            this.depth = depth;
        }
    }
}
