import type { User } from '../auth/user.ts';
import type { Loose } from '../json-value.ts';
import type { ServedKind } from '../registry.ts';
import { badRequest } from '../status.ts';

/** One request for a resource, whoever carries it. */
export interface Call {
  readonly kind: ServedKind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly query: Readonly<Record<string, string>>;
  /** Parsed; the callee's own to change. */
  readonly body: unknown;
  readonly contentType: string;
  readonly user: User;
  /** Sentences for the client's Warning headers; grows while the call is handled. */
  readonly warnings: string[];
}

export interface Answer {
  readonly status: number;
  readonly body: object;
}

export function isDryRun({ query, body }: Pick<Call, 'query' | 'body'>): boolean {
  const inBody = (body as Loose | undefined)?.['dryRun'];
  const value = query['dryRun'] ?? (Array.isArray(inBody) ? String(inBody[0] ?? '') : '');
  if (value !== '' && value !== 'All') {
    throw badRequest(`invalid dryRun: Unsupported value: "${value}": supported values: "All"`);
  }
  return value === 'All';
}

/** A whole number of the query; `undefined` when absent. @throws StatusError */
export function queryInteger(query: Call['query'], name: string): number | undefined {
  const text = query[name];
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d{1,15}$/u.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

export function queryBoolean(query: Call['query'], name: string): boolean {
  const text = query[name];
  return text !== undefined && text !== '' && text !== '0' && text.toLowerCase() !== 'false';
}

/** The manager that fields are written down for: asked for, or the first word of the user agent. */
export function fieldManager({ query }: Pick<Call, 'query'>): string {
  return query['fieldManager'] ?? 'unknown';
}
