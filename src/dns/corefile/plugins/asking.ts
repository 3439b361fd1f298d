/** Plugins that ask others and remember what they said. */
import { readFileSync } from 'node:fs';
import { errorMessage } from '../../../model/errors.ts';
import { defaultCacheOptions } from '../../outside/cache.ts';
import { parseUpstream, type UpstreamAddress } from '../../outside/upstream.ts';
import { nameKey } from '../../wire/name.ts';
import type { Directive } from '../parse.ts';
import type { CachePlan, ForwardPlan, ServerPlan } from '../plan.ts';
import {
  type CompileContext,
  readArg,
  readArgs,
  readChoice,
  readDurationMs,
  readFlag,
  readOptions,
  readWhole,
  readZone,
  readZones,
} from '../read.ts';
import { refuse } from '../tokens.ts';

const MAX_UPSTREAMS = 15;

export function readForward(directive: Directive, { nodeResolvers }: CompileContext): ForwardPlan {
  const { line } = directive;
  const [from = '', ...to] = readArgs(directive, 2, Infinity);
  const upstreams = to.flatMap((text) =>
    text === '/etc/resolv.conf' ? nodeResolvers.map((one) => upstream(one, line)) : [upstream(text, line)],
  );
  if (upstreams.length > MAX_UPSTREAMS)
    refuse(line, `forward has ${upstreams.length} upstreams`, `Keep it to ${MAX_UPSTREAMS}.`);
  const plan: { -readonly [K in keyof ForwardPlan]: ForwardPlan[K] } = {
    from: readZone(from, line),
    except: [],
    upstreams,
    policy: 'random',
  };
  readOptions(directive, {
    except: (option) => {
      plan.except = readZones(readArgs(option, 1, Infinity), option.line, []);
    },
    force_tcp: (option) => {
      plan.forceTcp = readFlag(option);
    },
    prefer_udp: (option) => void readFlag(option),
    expire: (option) => {
      plan.expireMs = readDurationMs(readArg(option), option.line, 'expire');
    },
    max_fails: (option) => {
      plan.maxFails = readWhole(readArg(option), option.line, { what: 'max_fails', most: 1000 });
    },
    max_concurrent: (option) => {
      plan.maxConcurrent = readWhole(readArg(option), option.line, {
        what: 'max_concurrent',
        least: 1,
        most: 100_000,
      });
    },
    policy: (option) => {
      const choices = ['random', 'round_robin', 'sequential'] as const;
      plan.policy = readChoice(readArg(option), option.line, { what: 'policy', choices });
    },
    health_check: (option) => {
      const [every = '', ...rest] = readArgs(option, 1, 4);
      plan.healthCheckMs = readDurationMs(every, option.line, 'health_check');
      const domain = rest[rest.indexOf('domain') + 1];
      if (rest.includes('domain') && domain !== undefined) plan.healthCheckName = domain;
    },
    tls: (option) => {
      const [authorities, ...more] = readArgs(option, 0, 3);
      if (more.length > 0)
        refuse(option.line, 'forward: a client certificate is not supported', 'Write tls, or tls CA-FILE.');
      if (authorities !== undefined) plan.ca = readAuthorities(authorities, option.line);
    },
    tls_servername: (option) => {
      plan.serverName = readArg(option);
    },
    failfast_all_unhealthy_upstreams: (option) => void readFlag(option),
    failover: (option) => void readArgs(option, 1, Infinity),
    max_age: (option) => void readArgs(option, 1),
    next: (option) =>
      refuse(
        option.line,
        'forward next is not supported',
        'Give all upstreams to one forward: the next is asked after a failure.',
      ),
  });
  return plan;
}

function upstream(text: string, line: number): UpstreamAddress {
  try {
    return parseUpstream(text);
  } catch (error) {
    return refuse(
      line,
      `forward: ${errorMessage(error)}`,
      'Write ADDRESS, ADDRESS:PORT, tls://ADDRESS or /etc/resolv.conf.',
    );
  }
}

/** The authorities of upstreams, from a file of the node that only its administrator can write. */
function readAuthorities(path: string, line: number): string {
  if (!/^\/etc\/(ssl|pki|podnet)\/[\w./-]+$/.test(path) || path.includes('..'))
    refuse(
      line,
      `forward: tls ${path} is not below /etc/ssl, /etc/pki or /etc/podnet`,
      'Put the authorities there.',
    );
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return refuse(line, `forward: ${errorMessage(error)}`, 'Put a file of PEM certificates there.');
  }
}

/** Bytes an answer takes in CoreDNS' measure, which counts answers. */
const BYTES_PER_ANSWER = 1000;
const MAX_ANSWERS = 100_000;

export function readCache(directive: Directive, zones: ServerPlan['zones']): CachePlan {
  const { line } = directive;
  const [first, ...rest] = directive.args;
  const ttl = first !== undefined && /^\d+$/.test(first) ? readTtl(first, line) : undefined;
  const names = ttl === undefined ? directive.args : rest;
  let { found, denied, failedSeconds, prefetch } = defaultCacheOptions;
  if (ttl !== undefined) {
    found = { ...found, maxSeconds: ttl };
    denied = { ...denied, maxSeconds: Math.min(ttl, denied.maxSeconds) };
  }
  let answers = 9984;
  let staleSeconds = 0;
  let stale: CachePlan['stale'] = 'immediate';
  let keepTtl = false;
  let except: CachePlan['except'] = { found: [], denied: [] };
  prefetch = undefined;
  const limits =
    (
      set: (limits: { minSeconds: number; maxSeconds: number }) => void,
      usual: { minSeconds: number; maxSeconds: number },
    ) =>
    (option: Directive): void => {
      const [capacity = '', max, min] = readArgs(option, 1, 3);
      answers = Math.max(
        answers,
        readWhole(capacity, option.line, { what: 'The capacity', most: MAX_ANSWERS }),
      );
      set({
        maxSeconds: max === undefined ? usual.maxSeconds : readTtl(max, option.line),
        minSeconds: min === undefined ? usual.minSeconds : readTtl(min, option.line),
      });
    };
  readOptions(directive, {
    success: limits((value) => void (found = value), found),
    denial: limits((value) => void (denied = value), denied),
    prefetch: (option) => {
      const [queries = '', within = '1m', percent = '10%'] = readArgs(option, 1, 3);
      prefetch = {
        queries: readWhole(queries, option.line, { what: 'prefetch', least: 0, most: 1_000_000 }),
        withinMs: readDurationMs(within, option.line, 'prefetch'),
        percent: readWhole(percent.replace(/%$/, ''), option.line, { what: 'prefetch', least: 10, most: 90 }),
      };
    },
    serve_stale: (option) => {
      const [life = '1h', mode = 'immediate'] = readArgs(option, 0, 2);
      staleSeconds = readDurationMs(life, option.line, 'serve_stale') / 1000;
      stale = readChoice(mode, option.line, { what: 'serve_stale', choices: ['immediate', 'verify'] });
    },
    servfail: (option) => {
      failedSeconds = readDurationMs(readArg(option), option.line, 'servfail') / 1000;
      if (failedSeconds > 300)
        refuse(option.line, 'servfail is longer than five minutes', 'RFC 2308 allows no more.');
    },
    disable: (option) => {
      const [what = '', ...of] = readArgs(option, 1, Infinity);
      const kind = readChoice(what, option.line, { what: 'disable', choices: ['success', 'denial'] });
      const these = readZones(of, option.line, [nameKey('.')]);
      except = kind === 'success' ? { ...except, found: these } : { ...except, denied: these };
    },
    keepttl: (option) => {
      keepTtl = readFlag(option);
    },
  });
  return {
    zones: readZones(names, line, zones),
    found,
    denied,
    failedSeconds,
    staleSeconds,
    stale,
    except,
    keepTtl,
    prefetch,
    maxBytes: answers * BYTES_PER_ANSWER,
  };
}

function readTtl(text: string, line: number): number {
  return readWhole(text, line, { what: 'The TTL', most: 86_400 });
}

export function readAutopath(
  directive: Directive,
  zones: ServerPlan['zones'],
): { zones: ServerPlan['zones'] } {
  const args = readArgs(directive, 1, Infinity);
  const from = args.at(-1) ?? '';
  if (from !== '@kubernetes')
    refuse(
      directive.line,
      `autopath ${from}: only @kubernetes knows search lists here`,
      'Write autopath @kubernetes.',
    );
  return { zones: readZones(args.slice(0, -1), directive.line, zones.length > 0 ? zones : [nameKey('.')]) };
}
