/** What a Corefile says, read and checked: one plan for each server block. Nothing here knows the grammar. */
import type { Cidr } from '../../model/ip.ts';
import type { CacheOptions } from '../outside/cache.ts';
import type { ForwardOptions } from '../outside/forward.ts';
import { type NameKey, nameKey } from '../wire/name.ts';

export interface CorefilePlan {
  readonly servers: readonly ServerPlan[];
  /** Directives that change nothing here, with the reason: `line 7: debug: …`. */
  readonly notes: readonly string[];
}

/**
 * One server block. Its parts stand in the order in which they see a question, whatever the order in the file, as in
 * CoreDNS; each is undefined or empty when its plugin is not there.
 */
export interface ServerPlan {
  /** Names it answers for, and all below them; the root's key for everything. */
  readonly zones: readonly NameKey[];
  readonly port: number;
  readonly line: number;
  /** Addresses to listen on instead of the cluster DNS addresses. */
  readonly bind: readonly string[];
  /** The block is for questions that meet this only. */
  readonly view: ViewPlan | undefined;

  readonly cancelMs: number | undefined;
  /** In hexadecimal or text as given; sent to clients that ask for it (RFC 5001). */
  readonly nsid: string | undefined;
  readonly bufsize: number | undefined;
  readonly ready: Endpoint | undefined;
  readonly health: (Endpoint & { readonly lameduckMs: number }) | undefined;
  readonly prometheus: Endpoint | undefined;
  readonly errors: ErrorsPlan | undefined;
  readonly log: readonly LogRule[];
  readonly local: boolean;
  readonly dns64: Dns64Plan | undefined;
  readonly acl: readonly AclRule[];
  readonly any: boolean;
  readonly chaos: ChaosPlan | undefined;
  /** Address records turn round from answer to answer. */
  readonly loadbalance: boolean;
  readonly cache: CachePlan | undefined;
  readonly rewrite: readonly RewriteRule[];
  readonly header: readonly HeaderRule[];
  readonly autopath: AutopathPlan | undefined;
  readonly minimal: boolean;
  readonly template: readonly TemplateRule[];
  readonly hosts: HostsPlan | undefined;
  readonly kubernetes: KubernetesPlan | undefined;
  readonly file: readonly FilePlan[];
  readonly loop: boolean;
  readonly forward: readonly ForwardPlan[];
  readonly whoami: boolean;
}

/** Where something is served over HTTP. */
export interface Endpoint {
  /** Empty for every address of the node. */
  readonly address: string;
  readonly port: number;
}

export interface ErrorsPlan {
  /** Errors that match are counted and told once in a while. */
  readonly consolidate: readonly { readonly everyMs: number; readonly pattern: RegExp }[];
}

export type LogClass = 'success' | 'denial' | 'error' | 'all';

export interface LogRule {
  readonly zones: readonly NameKey[];
  /** With `{name}` and the like, as CoreDNS has them. */
  readonly format: string;
  readonly classes: readonly LogClass[];
}

export interface Dns64Plan {
  readonly prefix: Cidr;
  /** Also names that have AAAA records. */
  readonly translateAll: boolean;
  /** Also clients that came over IPv4. */
  readonly allowIpv4: boolean;
}

export interface AclRule {
  readonly zones: readonly NameKey[];
  readonly action: 'allow' | 'block' | 'filter' | 'drop';
  /** Empty for every type. */
  readonly types: readonly number[];
  /** Empty for every client. */
  readonly networks: readonly Cidr[];
}

export interface ChaosPlan {
  readonly version: string;
  readonly authors: readonly string[];
}

export interface CachePlan extends CacheOptions {
  readonly zones: readonly NameKey[];
  readonly stale: 'verify' | 'immediate';
  /** Zones whose answers, or denials, are not kept. */
  readonly except: { readonly found: readonly NameKey[]; readonly denied: readonly NameKey[] };
  /** Clients hear the TTL that the upstream gave, however old the answer is. */
  readonly keepTtl: boolean;
}

/** What a name is compared with, and what becomes of it. */
export type NameMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'substring'; readonly from: string; readonly to: string }
  | { readonly kind: 'regex'; readonly from: RegExp; readonly to: string };

/** A rule that changes a question, or its answer, and whether the rules after it see the question too. */
export type RewriteRule = { readonly goesOn: boolean } & (
  | {
      readonly field: 'name';
      readonly match: NameMatch;
      /** Names in the answer are written back as the client knows them. */
      readonly answers: readonly AnswerRewrite[];
    }
  | { readonly field: 'type' | 'class'; readonly from: number; readonly to: number }
  | {
      readonly field: 'ttl';
      readonly match: NameMatch;
      readonly minSeconds: number;
      readonly maxSeconds: number;
    }
  | { readonly field: 'rcode'; readonly match: NameMatch; readonly from: number; readonly to: number }
);

export type AnswerRewrite =
  | { readonly kind: 'auto' }
  | { readonly kind: 'name' | 'value'; readonly from: RegExp; readonly to: string };

export interface HeaderRule {
  readonly of: 'query' | 'response';
  readonly action: 'set' | 'clear';
  readonly flags: readonly ('aa' | 'ra' | 'rd')[];
}

export interface AutopathPlan {
  readonly zones: readonly NameKey[];
}

export interface TemplateRule {
  readonly class: number;
  /** Undefined for every type. */
  readonly type: number | undefined;
  readonly zones: readonly NameKey[];
  readonly match: readonly RegExp[];
  readonly answers: readonly TemplateText[];
  readonly additional: readonly TemplateText[];
  readonly authority: readonly TemplateText[];
  readonly rcode: number;
  readonly fallthrough: Fallthrough;
}

/** Text and the values put between, in order. */
export type TemplateText = readonly (string | TemplateValue)[];

export type TemplateValue =
  | { readonly of: 'name' | 'zone' | 'type' | 'class' | 'id' }
  | { readonly of: 'match'; readonly index: number }
  | { readonly of: 'group'; readonly name: string };

/** Zones of the names that go on to the next plugin when nothing was found here; none: no name does. */
export type Fallthrough = readonly NameKey[];

export interface HostsPlan {
  readonly zones: readonly NameKey[];
  /** In the order written. */
  readonly entries: readonly { readonly address: string; readonly names: readonly string[] }[];
  readonly ttlSeconds: number;
  readonly reverse: boolean;
  readonly fallthrough: Fallthrough;
}

export interface KubernetesPlan {
  readonly zones: readonly NameKey[];
  /** Namespaces it knows; undefined for all. */
  readonly namespaces: readonly string[] | undefined;
  /** A selector of namespaces, as text; empty for all. */
  readonly namespaceLabels: string;
  readonly pods: 'disabled' | 'insecure' | 'verified';
  readonly endpointPodNames: boolean;
  readonly ttlSeconds: number;
  readonly endpoints: boolean;
  readonly ignoreEmptyServices: boolean;
  readonly fallthrough: Fallthrough;
}

export interface FilePlan {
  readonly zones: readonly NameKey[];
  /** A master file's text (RFC 1035 section 5). */
  readonly text: string;
  readonly fallthrough: Fallthrough;
}

export interface ForwardPlan extends ForwardOptions {
  readonly from: readonly NameKey[];
  readonly except: readonly NameKey[];
}

/** A condition on a question: `incidr(client_ip(), '10.0.0.0/8') && type() == 'A'`. */
export interface ViewPlan {
  readonly name: string;
  readonly expressions: readonly string[];
}

/** What a `kubernetes` plugin serves, a plan for each of its domains. */
export function zonePlans(plan: KubernetesPlan, clusterDomain: string): readonly KubernetesPlan[] {
  const domains = plan.zones.filter((zone) => !zone.endsWith('\x04arpa\0'));
  const own = domains.length > 0 ? domains : [nameKey(clusterDomain)];
  return own.map((domain) => ({ ...plan, zones: [domain] }));
}
