import { RCODE } from '../wire/constants.ts';
import type { DnsRecord } from '../wire/message.ts';
import { nameKey, type NameKey, printKey } from '../wire/name.ts';
import { askedInstead, exchange, type Place, writeMessage } from './exchange.ts';
import type { Layer, Next, Reply, Request } from './request.ts';
import type { AnswerRoom } from '../answer.ts';

/** The namespace of the pod with an address; undefined for an address that is no pod's. */
export type NamespaceOf = (address: string) => string | undefined;

export interface AutopathOptions {
  readonly clusterDomain: string;
  readonly namespaceOf: NamespaceOf;
  /** What a pod's search list goes on with after the cluster's own. */
  readonly nodeSearches: readonly string[];
}

/**
 * Answers at the first try what a pod's resolver would find at the fourth: a name of the first domain of the search list
 * that does not exist is tried in the others, then as it stands, and the answer says so by a CNAME record.
 */
export function autopathLayer({ clusterDomain, namespaceOf, nodeSearches }: AutopathOptions): Layer {
  const shared = [`svc.${clusterDomain}`, clusterDomain, ...nodeSearches, ''].map((name) => nameKey(name));
  const inServices = nameKey(`svc.${clusterDomain}`);
  return (next) => (request, room) => {
    const { key } = request.query;
    // Cheap for all that cannot be meant: the client is looked up only for names below the cluster's Services.
    if (!key.endsWith(inServices)) return next(request, room);
    const namespace = namespaceOf(request.client().address);
    if (namespace === undefined) return next(request, room);
    const first = String.fromCharCode(namespace.length) + namespace + inServices;
    if (!key.endsWith(first) || key.length === first.length) return next(request, room);
    const base = key.slice(0, key.length - first.length);
    if (!isWholeLabels(base)) return next(request, room);
    return new Search(next, request, base, shared).start(room);
  };
}

/** Whether the name in front of the domain ends where the domain begins, and not within a label. */
function isWholeLabels(base: string): boolean {
  let at = 0;
  while (at < base.length) at += 1 + base.charCodeAt(at);
  return at === base.length;
}

class Search {
  readonly #next: Next;
  readonly #request: Request;
  readonly #base: string;
  readonly #domains: readonly NameKey[];

  constructor(next: Next, request: Request, base: string, domains: readonly NameKey[]) {
    this.#next = next;
    this.#request = request;
    this.#base = base;
    this.#domains = domains;
  }

  start(room: AnswerRoom): Reply {
    const { query, message } = this.#request;
    return exchange(this.#next, this.#request, { message, room }, (answer, client) => {
      if (answer === undefined) return 0;
      if ((answer.flags & 0xf) !== RCODE.NXDOMAIN) return writeMessage(client, query, answer);
      return this.#try(0, client, (at) => writeMessage(at, query, answer));
    });
  }

  /** Tries the domains from `index` on; `giveUp` answers when none has the name. */
  #try(index: number, place: Place, giveUp: (place: Place) => number): Reply {
    const domain = this.#domains[index];
    if (domain === undefined) return giveUp(place);
    const key = this.#base + domain;
    if (key.length > 255) return this.#try(index + 1, place, giveUp);
    return exchange(this.#next, askedInstead(this.#request, { key }), place, (answer, client) => {
      const { query } = this.#request;
      if (answer === undefined || (answer.flags & 0xf) !== RCODE.NOERROR)
        return this.#try(index + 1, client, giveUp);
      const alias: DnsRecord = {
        name: printKey(query.key),
        ttlSeconds: Math.min(MAX_ALIAS_SECONDS, ...answer.answers.map(({ ttlSeconds }) => ttlSeconds)),
        data: { type: 'CNAME', target: printKey(key) },
      };
      return writeMessage(client, query, { ...answer, answers: [alias, ...answer.answers] });
    });
  }
}

const MAX_ALIAS_SECONDS = 5;
