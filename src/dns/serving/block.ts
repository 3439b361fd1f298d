import { errorMessage } from '../../model/errors.ts';
import type { AnswerRoom } from '../answer.ts';
import { type ForwardPlan, type KubernetesPlan, type ServerPlan, zonePlans } from '../corefile/plan.ts';
import { AnswerCache, type CacheStatistics } from '../outside/cache.ts';
import { createForward, type Forward, type UpstreamHealth } from '../outside/forward.ts';
import type { Question } from '../outside/question.ts';
import { createResolver, type Resolver } from '../outside/resolver.ts';
import { answerFromOutside, writeResolution } from '../outside/write.ts';
import { type OutsideQuestion, questionFor, Responder } from '../responder.ts';
import { CLASS, RCODE, typeName } from '../wire/constants.ts';
import { isWithin, type NameKey, printKey } from '../wire/name.ts';
import type { Zone } from '../zone/zone.ts';
import { createErrorLog } from '../observe/error-log.ts';
import type { Metric } from '../observe/exposition.ts';
import { type BlockObserver, observeBlock } from '../observe/observe-block.ts';
import type { DnsLook } from '../observe/look.ts';
import { outsideMetrics } from '../observe/outside-metrics.ts';
import type { ClientName } from '../observe/query-log.ts';
import { autopathLayer, type NamespaceOf } from './autopath.ts';
import type { DnsLog } from './listening.ts';
import { createLoopGuard, type LoopGuard } from './loop.ts';
import { dns64Layer, headerLayer, minimalLayer } from './layers.ts';
import { fileStep, hostsStep } from './records-step.ts';
import { type Layer, type Next, type Reply, type Request, type Step, stepLayer } from './request.ts';
import { rewriteLayer } from './rewrite.ts';
import { aclStep, anyStep, chaosStep, localStep, whoamiStep } from './small-steps.ts';
import { templateStep } from './template-step.ts';
import { writeRcode, writeRecords } from './write.ts';

export interface BlockParts {
  /** The zone with the records that a `kubernetes` plugin asks for. */
  readonly zoneFor: (plan: KubernetesPlan) => Zone;
  readonly clusterDomain: string;
  readonly namespaceOf: NamespaceOf;
  readonly nodeSearches: readonly string[];
  /** Says who a client is, for the log. */
  readonly nameOf?: ClientName;
  readonly log?: DnsLog;
  readonly look?: DnsLook;
}

/** A server block at work. */
export interface Block {
  readonly plan: ServerPlan;
  /** @throws whatever a fault of our own throws */
  respond(request: Request, room: AnswerRoom): Reply;
  /** Told of every question, where somebody wants to know. */
  readonly see: BlockObserver['see'];
  metrics(): readonly Metric[];
  readonly health: readonly UpstreamHealth[];
  readonly cache: CacheStatistics | undefined;
  /** Ends connections to upstreams. Questions that wait for them fail. */
  close(): void;
}

/**
 * What a client hears of a name outside when there is nobody to ask. SERVFAIL, not REFUSED: resolvers go on to the next
 * search domain after it and give up at once at the end, where musl ignores REFUSED until its timeout and glibc stops
 * searching. Not NXDOMAIN either: we do not know that the name does not exist.
 */
const NO_UPSTREAM = [22, 'podnet: no upstream resolver is configured'] as const;

/** Puts the plugins of a server block together, in the order that CoreDNS gives them. */
export function createBlock(plan: ServerPlan, parts: BlockParts): Block {
  const { log = () => {}, nameOf = () => undefined } = parts;
  const stopping = new AbortController();
  const errors = plan.errors && createErrorLog(plan.errors, (message) => log('error', `DNS: ${message}`));
  const outside = createOutside(plan, (message) => errors?.report(message));
  const observer = observeBlock(plan, {
    nameOf,
    log: (line) => log('info', `DNS: ${line}`),
    ...(parts.look && { look: parts.look }),
  });
  const loop = plan.loop && !outside.isEmpty ? guardLoop(outside, log) : undefined;
  void loop?.watch(stopping.signal);
  const kubernetes = plan.kubernetes && kubernetesStep(plan.kubernetes, parts, outside);
  const layers: readonly (Layer | undefined)[] = [
    plan.local ? stepLayer(localStep) : undefined,
    plan.dns64 && dns64Layer(plan.dns64),
    plan.acl.length > 0 ? stepLayer(aclStep(plan.acl)) : undefined,
    plan.any ? stepLayer(anyStep) : undefined,
    plan.chaos && stepLayer(chaosStep(plan.chaos)),
    stepLayer((request, room) =>
      request.query.class === CLASS.IN ? undefined : writeRcode(request, RCODE.REFUSED, room),
    ),
    plan.rewrite.length > 0 ? rewriteLayer(plan.rewrite) : undefined,
    plan.header.length > 0 ? headerLayer(plan.header) : undefined,
    plan.autopath && autopathLayer(parts),
    plan.minimal ? minimalLayer : undefined,
    plan.template.length > 0 ? stepLayer(templateStep(plan.template)) : undefined,
    plan.hosts && stepLayer(hostsStep(plan.hosts)),
    kubernetes && stepLayer(kubernetes),
    ...plan.file.map((file) => stepLayer(fileStep(file))),
    loop && stepLayer(loop.step),
    stepLayer(outside.step),
    plan.whoami ? stepLayer(whoamiStep) : undefined,
  ];
  const last: Next = (request, room) => writeRcode(request, RCODE.SERVFAIL, room, NO_UPSTREAM);
  const respond = layers.reduceRight<Next>((next, layer) => (layer ? layer(next) : next), last);
  return {
    plan,
    respond,
    get see() {
      return observer.see;
    },
    metrics: () => [...observer.metrics(), ...outside.metrics()],
    get health() {
      return outside.forwards.flatMap(({ health }) => health);
    },
    get cache() {
      return outside.cache?.statistics;
    },
    close() {
      stopping.abort();
      errors?.close();
      for (const forward of outside.forwards) forward.close();
    },
  };
}

interface Outside {
  readonly step: Step;
  /** Answers what lies behind an alias of ours. */
  follow(outside: OutsideQuestion, request: Request, room: AnswerRoom): Reply;
  readonly isEmpty: boolean;
  /** Asks an upstream for any name. */
  ask(question: Question): Promise<unknown>;
  metrics(): readonly Metric[];
  readonly forwards: readonly Forward[];
  readonly cache: AnswerCache | undefined;
}

/** The `forward` plugins of a block, each with those names that are nearest to its own, and the block's cache. */
function createOutside(
  { forward: plans, cache: cachePlan, port }: ServerPlan,
  onError: (message: string) => void,
): Outside {
  const cache = cachePlan && new AnswerCache(cachePlan);
  const group = plans
    .filter(({ upstreams }) => upstreams.length > 0)
    .map((plan) => {
      const forward = createForward(plan);
      const resolver = createResolver({
        upstreams: forward,
        cache,
        ...(cachePlan && {
          stale: cachePlan.stale,
          keepTtl: cachePlan.keepTtl,
          keeps: (key, kind) => keeps(cachePlan, key, kind),
        }),
      });
      return { plan, forward, resolver };
    });

  function resolverOf(key: NameKey): Resolver | undefined {
    let best: { resolver: Resolver; length: number } | undefined;
    for (const { plan, resolver } of group) {
      const length = reach(plan, key);
      if (length !== undefined && (best === undefined || length > best.length)) best = { resolver, length };
    }
    return best?.resolver;
  }

  function follow(outside: OutsideQuestion, request: Request, room: AnswerRoom): Reply {
    const resolver = resolverOf(outside.question.key);
    // Nobody to ask: our alias is what we know, and no failure.
    if (resolver === undefined) return writeRecords(request, { answers: outside.chain }, room);
    const known = resolver.known(outside.question);
    if (known !== undefined) return writeResolution(request.message, outside, known, room);
    return (message, later) =>
      answerFromOutside(resolver, message, outside, later, (error) => {
        const { key, type } = outside.question;
        onError(`${printKey(key)}. ${typeName(type)}: ${errorMessage(error)}`);
      });
  }

  return {
    follow,
    step(request, room) {
      const { query } = request;
      if (resolverOf(query.key) === undefined) return undefined;
      return follow({ query, question: questionFor(query, query.key), chain: [] }, request, room);
    },
    isEmpty: group.length === 0,
    async ask(question) {
      await Promise.all(group.map(({ forward }) => forward.ask(question)));
    },
    metrics: () =>
      outsideMetrics(
        cache,
        group.flatMap(({ forward }) => forward.health),
        port,
      ),
    forwards: group.map(({ forward }) => forward),
    cache,
  };
}

/** How much of the name the plan's own zone covers; undefined when it is not for the name. */
function reach({ from, except }: ForwardPlan, key: NameKey): number | undefined {
  const zone = from.find((each) => isWithin(key, each));
  return zone === undefined || except.some((each) => isWithin(key, each)) ? undefined : zone.length;
}

function keeps(
  { zones, except }: NonNullable<ServerPlan['cache']>,
  key: NameKey,
  kind: 'found' | 'denied' | 'failed',
): boolean {
  const within = (places: readonly NameKey[]): boolean => places.some((zone) => isWithin(key, zone));
  return within(zones) && (kind === 'failed' || !within(except[kind]));
}

function kubernetesStep(
  plan: KubernetesPlan,
  { zoneFor, clusterDomain }: BlockParts,
  outside: Outside,
): Step {
  const reverse = plan.zones.filter((zone) => zone.endsWith('\x04arpa\0'));
  const responders = zonePlans(plan, clusterDomain).map(
    (own) =>
      new Responder({
        zone: zoneFor(own),
        podRecords: plan.pods,
        zones: [...own.zones, ...reverse],
        fallthrough: plan.fallthrough,
        deniesPrivateAddresses: outside.isEmpty,
      }),
  );
  return (request, room) => {
    for (const responder of responders) {
      const answer = responder.answer(request.message, request.query, room);
      if (typeof answer === 'object') return outside.follow(answer, request, room);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
}

function guardLoop(outside: Outside, log: DnsLog): LoopGuard {
  return createLoopGuard({
    ask: (question) => outside.ask(question),
    onChange: (isLooping) =>
      isLooping
        ? log(
            'error',
            'DNS: an upstream resolver sends our own questions back; names outside are not answered',
          )
        : log('info', 'DNS: questions go in circles no more'),
  });
}
