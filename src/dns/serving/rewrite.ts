import type { AnswerRewrite, NameMatch, RewriteRule } from '../corefile/plan.ts';
import type { DnsRecord, RecordData } from '../wire/message.ts';
import { nameKey, type NameKey, printKey } from '../wire/name.ts';
import { askedInstead, exchange, writeMessage } from './exchange.ts';
import type { Layer } from './request.ts';

/** The name with the rule carried out; undefined when the rule does not fit. */
export function rewriteName(name: string, match: NameMatch): string | undefined {
  const { from, to } = match;
  if (match.kind === 'regex') {
    const found = match.from.exec(`${name}.`) ?? match.from.exec(name);
    return found === null
      ? undefined
      : bare(to.replace(/\{(\d)\}/g, (_, group: string) => found[Number(group)] ?? ''));
  }
  if (typeof from !== 'string') return undefined;
  switch (match.kind) {
    case 'exact':
      return name === from ? to : undefined;
    case 'prefix':
      return name.startsWith(from) ? to + name.slice(from.length) : undefined;
    case 'suffix':
      return name.endsWith(from) ? name.slice(0, name.length - from.length) + to : undefined;
    case 'substring':
      return name.includes(from) ? name.replaceAll(from, to) : undefined;
  }
}

const bare = (name: string): string => name.replace(/(.)\.$/, '$1');

/** What is done to the records of an answer, one after the other. */
type RecordChange = (record: DnsRecord) => DnsRecord;

interface Rewritten {
  readonly key: NameKey;
  readonly type: number;
  readonly changes: readonly RecordChange[];
  readonly rcodes: ReadonlyMap<number, number>;
}

/** Pure: what the rules make of a question, and what is to be done to its answer; undefined when no rule fits. */
export function applyRules(
  rules: readonly RewriteRule[],
  question: { readonly key: NameKey; readonly type: number; readonly class: number },
): Rewritten | undefined {
  let name = printKey(question.key);
  let { type } = question;
  let fits = false;
  const changes: RecordChange[] = [];
  const rcodes = new Map<number, number>();
  for (const rule of rules) {
    switch (rule.field) {
      case 'name': {
        const to = rewriteName(name, rule.match);
        if (to === undefined) continue;
        changes.unshift(...answerChanges(rule.match, rule.answers, { from: name, to }));
        name = to;
        break;
      }
      case 'type':
        if (rule.from !== type) continue;
        type = rule.to;
        break;
      case 'class':
        // Every class but IN is refused further on; there is nothing it could become.
        if (rule.from !== question.class) continue;
        break;
      case 'ttl': {
        if (rewriteName(name, rule.match) === undefined) continue;
        const { minSeconds, maxSeconds } = rule;
        changes.push((record) => ({
          ...record,
          ttlSeconds: Math.min(Math.max(record.ttlSeconds, minSeconds), maxSeconds),
        }));
        break;
      }
      case 'rcode':
        if (rewriteName(name, rule.match) === undefined) continue;
        rcodes.set(rule.from, rule.to);
        break;
    }
    fits = true;
    if (!rule.goesOn) break;
  }
  return fits ? { key: nameKey(name), type, changes, rcodes } : undefined;
}

/** An exact match takes its name back in any case, as `answer auto` asks for in the others. */
function answerChanges(
  match: NameMatch,
  answers: readonly AnswerRewrite[],
  { from, to }: { from: string; to: string },
): RecordChange[] {
  const auto = match.kind === 'exact' || answers.some(({ kind }) => kind === 'auto');
  const changes: RecordChange[] = auto ? [renamed((name) => (same(name, to) ? from : name))] : [];
  for (const answer of answers) {
    if (answer.kind === 'auto') continue;
    const change = (name: string): string =>
      rewriteName(name.toLowerCase(), { kind: 'regex', from: answer.from, to: answer.to }) ?? name;
    changes.push(
      answer.kind === 'name' ? (record) => ({ ...record, name: change(record.name) }) : valueChanged(change),
    );
  }
  return changes;
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const renamed =
  (change: (name: string) => string): RecordChange =>
  (record) =>
    valueChanged(change)({ ...record, name: change(record.name) });

function valueChanged(change: (name: string) => string): RecordChange {
  return (record) => ({ ...record, data: withTarget(record.data, change) });
}

function withTarget(data: RecordData, change: (name: string) => string): RecordData {
  return 'target' in data ? { ...data, target: change(data.target) } : data;
}

/** Asks for what the rules make of the question, and answers the client's own. */
export function rewriteLayer(rules: readonly RewriteRule[]): Layer {
  return (next) => (request, room) => {
    const { query } = request;
    const rewritten = applyRules(rules, query);
    if (rewritten === undefined) return next(request, room);
    const { key, type, changes, rcodes } = rewritten;
    const place = { message: request.message, room };
    return exchange(next, askedInstead(request, { key, type }), place, (answer, client) => {
      if (answer === undefined) return 0;
      const change = (record: DnsRecord): DnsRecord => changes.reduce((made, each) => each(made), record);
      const rcode = answer.flags & 0xf;
      return writeMessage(client, query, {
        ...answer,
        answers: answer.answers.map(change),
        rcode: rcodes.get(rcode) ?? rcode,
      });
    });
  };
}
