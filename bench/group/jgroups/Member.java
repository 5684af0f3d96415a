import java.io.BufferedReader;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import org.jgroups.JChannel;
import org.jgroups.Message;
import org.jgroups.ReceiverAdapter;
import org.jgroups.View;

/**
 * A member of a group of JGroups', for the benchmark of groups. It speaks the lines that
 * bench/group/line/line.go tells of. The stack is sequencer.xml as the library brings it.
 * Arguments: the member's number, "bundled" or "single" (several messages in a packet, as is
 * the default, or not), and a folder for a file.
 */
public class Member extends ReceiverAdapter {
    static final int LEAST = 16, LARGEST = 1 << 20;
    static final long PROBE_WAIT = 2; // seconds

    final long tag;
    final JChannel channel;
    // System.out is unbuffered by line and synchronized; the JVM's nanoTime is CLOCK_MONOTONIC.
    final PrintStream out = System.out;

    // Written by the one thread that SEQUENCER delivers with, under the lock.
    long messages, bytes, sum;
    long probe; // the number of the own message that is waited for; 0 for none
    final LinkedBlockingQueue<Long> probed = new LinkedBlockingQueue<>();

    long numbers; // of the own messages; one order to send is under way at a time

    Member(long tag, boolean bundled, File folder) throws Exception {
        this.tag = tag;
        String stack;
        try (InputStream in = JChannel.class.getResourceAsStream("/sequencer.xml")) {
            stack = new String(in.readAllBytes(), "UTF-8");
        }
        if (!bundled) {
            String single = stack.replace("enable_bundling=\"true\"", "enable_bundling=\"false\"");
            if (single.equals(stack)) {
                throw new IllegalStateException("sequencer.xml does not say enable_bundling=\"true\"");
            }
            stack = single;
        }
        File file = new File(folder, "sequencer-" + tag + ".xml");
        Files.write(file.toPath(), stack.getBytes("UTF-8"));
        channel = new JChannel(file);
        channel.setReceiver(this);
        channel.connect("bench");
    }

    @Override public void viewAccepted(View view) {
        long now = System.nanoTime();
        say("view " + view.getMembers().size() + " " + now);
    }

    @Override public void receive(Message message) {
        int size = message.getLength();
        if (size < LEAST) {
            say("fault a message of " + size + " bytes was delivered, which nobody sent");
            return;
        }
        ByteBuffer head = ByteBuffer.wrap(message.getRawBuffer(), message.getOffset(), LEAST).order(ByteOrder.LITTLE_ENDIAN);
        long from = head.getLong(), number = head.getLong();
        synchronized (this) {
            if (from == tag && number == probe) {
                probe = 0;
                probed.add(System.nanoTime());
            }
            sum = (sum ^ (from * 0x9e3779b97f4a7c15L + number)) * 0x100000001b3L;
            bytes += size;
            messages++;
        }
    }

    void say(String line) {
        out.println(line);
        out.flush();
    }

    /** The library keeps the bytes for repeats, so each message has its own. */
    void multicast(int size) throws Exception {
        byte[] message = new byte[size];
        for (int i = LEAST; i < size; i += 64) {
            message[i] = (byte) i;
        }
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putLong(tag).putLong(numbers);
        channel.send(new Message(null, null, message));
    }

    void send(int size, long milliseconds) throws Exception {
        long sent = 0;
        for (long end = System.nanoTime() + milliseconds * 1000000; System.nanoTime() < end; sent++) {
            numbers++;
            multicast(size);
        }
        say("sent " + sent);
    }

    void latency(int size, int times, long milliseconds) throws Exception {
        long[] took = new long[Math.max(times, 1)];
        int count = 0;
        for (long end = System.nanoTime() + milliseconds * 1000000; count < times && System.nanoTime() < end; ) {
            numbers++;
            synchronized (this) {
                probe = numbers;
            }
            long began = System.nanoTime();
            multicast(size);
            Long came = probed.poll(PROBE_WAIT, TimeUnit.SECONDS);
            if (came == null) {
                say("fault the own message " + numbers + " was not delivered within " + PROBE_WAIT + " s");
                break;
            }
            took[count++] = came - began;
        }
        Arrays.sort(took, 0, count);
        count = Math.max(count, 1);
        say("latency " + count + " " + took[count / 2] + " " + took[(int) (count * 99L / 100)]);
    }

    interface Work {
        void run() throws Exception;
    }

    void run() throws Exception {
        ExecutorService sender = Executors.newSingleThreadExecutor();
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = orders.readLine()) != null && !line.equals("quit"); ) {
            String[] order = line.split(" ");
            Work work = null;
            if (line.equals("count")) {
                synchronized (this) {
                    say("count " + messages + " " + bytes + " " + Long.toUnsignedString(sum) + " " + System.nanoTime());
                }
                continue;
            } else if (line.equals("role")) {
                boolean first = channel.getView().getMembers().get(0).equals(channel.getAddress());
                say("role " + (first ? "leads" : "follows"));
                continue;
            } else if (order[0].equals("send") && order.length == 3) {
                work = () -> send(Integer.parseInt(order[1]), Long.parseLong(order[2]));
            } else if (order[0].equals("latency") && order.length == 4) {
                work = () -> latency(Integer.parseInt(order[1]), Integer.parseInt(order[2]), Long.parseLong(order[3]));
            } else {
                say("fault no such order: " + line);
                continue;
            }
            Work chosen = work;
            sender.execute(() -> {
                try {
                    chosen.run();
                } catch (Exception e) {
                    say("fault " + e);
                }
            });
        }
    }

    public static void main(String[] args) throws Exception {
        new Member(Long.parseLong(args[0]), args[1].equals("bundled"), new File(args[2])).run();
        System.exit(0);
    }
}
