/** The text format of Prometheus (version 0.0.4): what `/metrics` answers. */

export type LabelValues = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: LabelValues;
  readonly value: number;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Of a histogram each sample is a `Histogram` instead. */
  readonly samples:
    | readonly Sample[]
    | readonly { readonly labels: LabelValues; readonly histogram: Histogram }[];
}

/** Counts of values by their upper bounds. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Values up to each bound, and in all. */
  cumulative(): readonly { readonly bound: string; readonly count: number }[] {
    let count = 0;
    return [...this.#bounds.map(String), '+Inf'].map((bound, index) => {
      count += this.#counts[index] ?? 0;
      return { bound, count };
    });
  }
}

export function printMetrics(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, type, samples }) => {
      const rows = samples.flatMap((sample) =>
        'histogram' in sample
          ? histogramRows(name, sample.labels, sample.histogram)
          : [`${name}${printLabels(sample.labels)} ${sample.value}`],
      );
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${rows.join('\n')}\n`;
    })
    .join('');
}

function histogramRows(name: string, labels: LabelValues, histogram: Histogram): string[] {
  const buckets = histogram.cumulative();
  return [
    ...buckets.map(({ bound, count }) => `${name}_bucket${printLabels({ ...labels, le: bound })} ${count}`),
    `${name}_sum${printLabels(labels)} ${histogram.sum}`,
    `${name}_count${printLabels(labels)} ${buckets.at(-1)?.count ?? 0}`,
  ];
}

function printLabels(labels: LabelValues): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escapeCharacter)}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeCharacter(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
