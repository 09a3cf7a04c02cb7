// The bench's workloads on Apache Spark, by the Java RDD API with plain closures: what a user of millrace would have written
// there. One process = one workload: first run, then 20 jobs of other shapes, then the warm run. Prints one JSON line:
// {"ready": seconds from JVM start to a context, "first": s, "warm": s, "cpu": s, "value": ..., "shuffleBytes": n}
//
//   java -cp pyspark/jars/*:. Peer <workload> <input or -> <scratch directory> <repeats of warm> <size> <second input or ->

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import java.security.MessageDigest;
import org.apache.spark.HashPartitioner;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import scala.Tuple2;

public final class Peer {
  private static final int WARM_UP_JOBS = 20;
  private static final int SKEW_PARTITIONS = 8;
  /** Their values hold times of their own, or sums that come in another order each time. */
  private static final Set<String> HAS_TIMES_OR_ROUNDING = Set.of("pagerank", "jobs", "skew");

  public static void main(String[] arguments) throws Exception {
    String workload = arguments[0];
    String input = arguments[1];
    String scratch = arguments[2];
    int repeats = Integer.parseInt(arguments[3]);
    double size = Double.parseDouble(arguments[4]);
    String second = arguments[5];
    SparkConf conf = new SparkConf().setAppName("peer-" + workload).setIfMissing("spark.master", "local[2]");
    JavaSparkContext context = new JavaSparkContext(conf);
    context.setLogLevel("ERROR");
    AtomicLong shuffleBytes = new AtomicLong();
    context.sc().addSparkListener(new SparkListener() {
      @Override
      public void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.taskMetrics() != null) shuffleBytes.addAndGet(end.taskMetrics().shuffleWriteMetrics().bytesWritten());
      }
    });
    double ready = (System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime()) / 1e3;
    Timed cold = time(context, workload, input, second, scratch + "/first", size);
    double first = cold.seconds();
    Thread.sleep(200); // The listener bus delivers metrics late.
    long shuffled = shuffleBytes.get();
    // Of startup the whole process is measured, from outside.
    boolean wholeProcess = workload.equals("startup");
    if (!wholeProcess) warmUp(context);
    double warm = wholeProcess ? first : Double.MAX_VALUE;
    double cpu = cold.cpu();
    for (int i = 0; i < repeats && !wholeProcess; i++) {
      Timed again = time(context, workload, input, second, scratch + "/warm-" + i, size);
      if (!cold.value().equals(again.value()) && !HAS_TIMES_OR_ROUNDING.contains(workload))
        throw new IllegalStateException("the warm run gave " + again.value() + ", the first " + cold.value());
      if (again.seconds() < warm) cpu = again.cpu();
      warm = Math.min(warm, again.seconds());
    }
    context.stop();
    System.out.printf(Locale.ROOT, "{\"ready\":%.3f,\"first\":%.3f,\"warm\":%.3f,\"cpu\":%.3f,\"shuffleBytes\":%d,\"value\":%s}%n", ready, first, warm, cpu, shuffled, cold.value());
  }

  /** Does the timed part; what it gives back makes the value that is compared, outside the time. */
  private static Check run(JavaSparkContext context, String workload, String input, String second, String out, double size) throws Exception {
    return switch (workload) {
      case "startup" -> startUp(context);
      case "tasks" -> tasks(context, scaled(10_000, size));
      case "tasks-100k" -> tasks(context, scaled(100_000, size));
      case "skew" -> skew(context, scaled(20_000_000, size), scaled(1_000_000, size));
      case "jobs" -> jobs(context, scaled(300, size));
      case "wordcount" -> wordCount(context, input);
      case "sort" -> sort(context, input, out);
      case "grep" -> grep(context, input);
      case "join" -> join(context, input, second);
      case "groupByKey" -> groupByKey(context, input);
      case "distinct" -> distinct(context, input);
      case "pagerank" -> pageRank(context, input);
      case "tiny-blocks" -> tinyBlocks(context, scaled(1_000, Math.sqrt(size)));
      default -> throw new IllegalArgumentException("no such workload: " + workload);
    };
  }

  private static Check startUp(JavaSparkContext context) {
    int sum = context.parallelize(Arrays.asList(1, 2, 3, 4), 2).map(x -> x * x).reduce(Integer::sum);
    return () -> "{\"sum\":" + sum + "}";
  }

  private static int scaled(int full, double size) {
    return Math.max(2, (int) Math.round(full * size));
  }

  private static Check tasks(JavaSparkContext context, int tasks) {
    List<Integer> empty = new ArrayList<>();
    JavaRDD<Integer> rdd = context.parallelize(empty, tasks);
    long records = rdd.count();
    return () -> "{\"tasks\":" + rdd.getNumPartitions() + ",\"records\":" + records + "}";
  }

  private static Check skew(JavaSparkContext context, int records, int keys) {
    double[] millis = new double[4];
    long[] sums = new long[4];
    for (int i = 0; i < 4; i++) {
      boolean hot = i % 2 == 1;
      JavaPairRDD<Integer, Long> pairs = context.sc().range(0, records, 1, SKEW_PARTITIONS).toJavaRDD().mapToPair(boxed -> {
        long n = (Long) boxed;
        return new Tuple2<>(hot && n % 2 == 0 ? 0 : (int) (n * 7_919 % keys), n % 100);
      });
      long started = System.nanoTime();
      sums[i] = i < 2 ? reduced(pairs) : joined(context, pairs, keys);
      millis[i] = (System.nanoTime() - started) / 1e6;
    }
    return () -> String.format(
        Locale.ROOT,
        "{\"reduceUniform\":%d,\"reduceHot\":%d,\"joinUniform\":%d,\"joinHot\":%d,"
            + "\"reduceUniformMs\":%.3f,\"reduceHotMs\":%.3f,\"joinUniformMs\":%.3f,\"joinHotMs\":%.3f,\"reduceRatio\":%.3f,\"joinRatio\":%.3f}",
        sums[0], sums[1], sums[2], sums[3], millis[0], millis[1], millis[2], millis[3], millis[1] / millis[0], millis[3] / millis[2]);
  }

  private static long reduced(JavaPairRDD<Integer, Long> pairs) {
    return pairs.reduceByKey(Long::sum, SKEW_PARTITIONS).map(pair -> pair._2() * (pair._1() % 5 + 1)).reduce(Long::sum);
  }

  private static long joined(JavaSparkContext context, JavaPairRDD<Integer, Long> pairs, int keys) {
    JavaPairRDD<Integer, Long> others = context.sc().range(0, keys, 1, SKEW_PARTITIONS).toJavaRDD().mapToPair(boxed -> {
      int key = (int) (long) (Long) boxed;
      return new Tuple2<>(key, (long) key % 7);
    });
    return pairs.join(others, SKEW_PARTITIONS).map(pair -> 1_000 + pair._2()._1() * pair._2()._2()).reduce(Long::sum);
  }

  private static Check jobs(JavaSparkContext context, int jobs) {
    List<Integer> data = Arrays.asList(1, 2, 3, 4, 5, 6, 7, 8);
    double[] millis = new double[jobs];
    long sum = 0;
    for (int i = 0; i < jobs; i++) {
      int step = i;
      long started = System.nanoTime();
      sum += context.parallelize(data, 2).map(x -> x * step).filter(x -> x % 2 == 0).reduce(Integer::sum);
      millis[i] = (System.nanoTime() - started) / 1e6;
    }
    double mean = Arrays.stream(millis).average().orElse(0);
    long total = sum;
    return () -> String.format(Locale.ROOT, "{\"sum\":%d,\"meanMs\":%.3f}", total, mean);
  }

  private static Check wordCount(JavaSparkContext context, String input) throws Exception {
    JavaPairRDD<String, Integer> counts = context.textFile(input)
        .flatMap(line -> Arrays.asList(line.split(" ")).iterator())
        .mapToPair(word -> new Tuple2<>(word, 1))
        .reduceByKey(Integer::sum);
    List<Tuple2<String, Integer>> all = counts.collect();
    return () -> {
      List<String> lines = new ArrayList<>(all.size());
      long words = 0;
      for (Tuple2<String, Integer> pair : all) {
        lines.add(pair._1() + " " + pair._2());
        words += pair._2();
      }
      lines.sort(Comparator.naturalOrder());
      return "{\"words\":" + words + ",\"distinct\":" + all.size() + ",\"digest\":\"" + digest(lines) + "\"}";
    };
  }

  private static Check sort(JavaSparkContext context, String input, String out) {
    context.textFile(input).sortBy(line -> line.substring(0, 10), true, context.textFile(input).getNumPartitions()).saveAsTextFile(out);
    // The parent checks the files: that is not timed.
    return () -> "{\"out\":true}";
  }

  private static Check grep(JavaSparkContext context, String input) {
    Pattern pattern = Pattern.compile("\\bq[a-z]*z\\b");
    long[] sums = context.textFile(input).filter(line -> pattern.matcher(line).find()).aggregate(new long[2], (sum, line) -> {
      sum[0]++;
      sum[1] += line.length();
      return sum;
    }, Peer::added);
    return () -> "{\"found\":" + sums[0] + ",\"characters\":" + sums[1] + "}";
  }

  private static Check join(JavaSparkContext context, String input, String second) {
    long[] sums = pairs(context, input).join(pairs(context, second)).aggregate(new long[2], (sum, pair) -> {
      sum[0]++;
      sum[1] += (long) pair._2()._1() * pair._2()._2();
      return sum;
    }, Peer::added);
    return () -> "{\"records\":" + sums[0] + ",\"sum\":" + sums[1] + "}";
  }

  private static Check groupByKey(JavaSparkContext context, String input) {
    long[] sums = pairs(context, input).groupByKey().mapValues(values -> {
      int size = 0;
      int least = Integer.MAX_VALUE;
      int greatest = Integer.MIN_VALUE;
      for (int value : values) {
        size++;
        least = Math.min(least, value);
        greatest = Math.max(greatest, value);
      }
      return new Tuple2<>(size, greatest - least);
    }).aggregate(new long[4], (sum, group) -> {
      sum[0]++;
      sum[1] += group._2()._1();
      sum[2] += group._2()._2();
      sum[3] += (long) group._2()._2() * (group._1() % 1_000 + 1);
      return sum;
    }, Peer::added);
    return () -> "{\"groups\":" + sums[0] + ",\"records\":" + sums[1] + ",\"span\":" + sums[2] + ",\"weighted\":" + sums[3] + "}";
  }

  private static Check distinct(JavaSparkContext context, String input) {
    long[] sums = context.textFile(input).distinct().aggregate(new long[2], (sum, id) -> {
      sum[0]++;
      sum[1] += Long.parseLong(id.substring(5), 16);
      return sum;
    }, Peer::added);
    return () -> "{\"different\":" + sums[0] + ",\"checksum\":" + sums[1] + "}";
  }

  private static JavaPairRDD<Integer, Integer> pairs(JavaSparkContext context, String input) {
    return context.textFile(input).mapToPair(line -> {
      int space = line.indexOf(' ');
      return new Tuple2<>(Integer.parseInt(line.substring(0, space)), Integer.parseInt(line.substring(space + 1)));
    });
  }

  private static long[] added(long[] a, long[] b) {
    for (int i = 0; i < a.length; i++) a[i] += b[i];
    return a;
  }

  private static Check pageRank(JavaSparkContext context, String input) {
    JavaPairRDD<Integer, Iterable<Integer>> links = context.textFile(input).mapToPair(line -> {
      int space = line.indexOf(' ');
      return new Tuple2<>(Integer.parseInt(line.substring(0, space)), Integer.parseInt(line.substring(space + 1)));
    }).groupByKey(new HashPartitioner(8)).cache();
    JavaPairRDD<Integer, Double> ranks = links.mapValues(x -> 1.0);
    for (int i = 0; i < 10; i++) {
      ranks = links.join(ranks).values().flatMapToPair(pair -> {
        int degree = 0;
        for (Integer ignored : pair._1()) degree++;
        double share = pair._2() / degree;
        List<Tuple2<Integer, Double>> shares = new ArrayList<>(degree);
        for (Integer target : pair._1()) shares.add(new Tuple2<>(target, share));
        return shares.iterator();
      }).reduceByKey(new HashPartitioner(8), Double::sum).mapValues(sum -> 0.15 + 0.85 * sum);
    }
    List<Tuple2<Integer, Double>> all = new ArrayList<>(ranks.collect());
    links.unpersist();
    return () -> {
      all.sort(Comparator.comparing(pair -> pair._1()));
      double sum = 0;
      double weighted = 0;
      double greatest = 0;
      for (Tuple2<Integer, Double> pair : all) {
        sum += pair._2();
        weighted += pair._2() * (pair._1() % 1000 + 1);
        greatest = Math.max(greatest, pair._2());
      }
      return String.format(Locale.ROOT, "{\"nodes\":%d,\"sum\":%.12e,\"weighted\":%.12e,\"greatest\":%.12e}", all.size(), sum, weighted, greatest);
    };
  }

  private static Check tinyBlocks(JavaSparkContext context, int partitions) {
    List<Integer> parts = new ArrayList<>();
    for (int i = 0; i < partitions; i++) parts.add(i);
    int reducers = partitions;
    JavaPairRDD<Integer, Integer> moved = context.parallelize(parts, partitions).flatMapToPair(part -> {
      List<Tuple2<Integer, Integer>> rows = new ArrayList<>(reducers * 10);
      for (int row = 0; row < reducers * 10; row++) rows.add(new Tuple2<>(row % reducers, part * 10 + row % 10));
      return rows.iterator();
    }).partitionBy(new HashPartitioner(reducers));
    Tuple2<Long, Long> sums = moved.mapPartitions(rows -> {
      long count = 0;
      long sum = 0;
      while (rows.hasNext()) {
        sum += rows.next()._2();
        count++;
      }
      return List.of(new Tuple2<>(count, sum)).iterator();
    }).reduce((a, b) -> new Tuple2<>(a._1() + b._1(), a._2() + b._2()));
    return () -> "{\"rows\":" + sums._1() + ",\"sum\":" + sums._2() + "}";
  }

  /** Twenty jobs of other shapes, as the other engines do them too, so that the JIT has seen more than one program. */
  private static void warmUp(JavaSparkContext context) {
    List<Integer> numbers = new ArrayList<>();
    for (int i = 0; i < 20_000; i++) numbers.add(i);
    for (int job = 0; job < WARM_UP_JOBS; job++) {
      int n = job;
      JavaRDD<Integer> rdd = context.parallelize(numbers, 2);
      switch (job % 5) {
        case 0 -> rdd.map(x -> x * 2 + n).filter(x -> x % 3 == 0).count();
        case 1 -> rdd.mapToPair(x -> new Tuple2<>("k" + x % 100, x)).reduceByKey(Integer::sum).collect();
        case 2 -> rdd.flatMap(x -> Arrays.asList(x, x + n).iterator()).distinct().count();
        case 3 -> rdd.sortBy(x -> -x, true, 2).take(5);
        default -> rdd.mapToPair(x -> new Tuple2<>(x % 10, x)).groupByKey().mapValues(xs -> xs.iterator().next()).collect();
      }
    }
  }

  private static String digest(List<String> sorted) throws Exception {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    for (String line : sorted) {
      sha.update(line.getBytes("ISO-8859-1"));
      sha.update((byte) '\n');
    }
    StringBuilder hex = new StringBuilder();
    for (byte b : sha.digest()) hex.append(String.format("%02x", b));
    return hex.toString();
  }

  private interface Check {
    String value() throws Exception;
  }

  private record Timed(double seconds, double cpu, String value) {}

  private static Timed time(JavaSparkContext context, String workload, String input, String second, String out, double size) throws Exception {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long used = system.getProcessCpuTime();
    long started = System.nanoTime();
    Check check = run(context, workload, input, second, out, size);
    double seconds = (System.nanoTime() - started) / 1e9;
    double cpu = (system.getProcessCpuTime() - used) / 1e9;
    return new Timed(seconds, cpu, check.value());
  }
}
