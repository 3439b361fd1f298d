import { nameKey, type NameKey } from '../wire/name.ts';
import { type Directive, parseCorefile, type ServerBlock } from './parse.ts';
import type { CorefilePlan, ServerPlan } from './plan.ts';
import {
  readAcl,
  readChaos,
  readDns64,
  readFilePlugin,
  readHosts,
  readKubernetes,
} from './plugins/answering.ts';
import { readAutopath, readCache, readForward } from './plugins/asking.ts';
import { readHeader, readRewrite, readTemplate } from './plugins/changing.ts';
import {
  readBind,
  readBufsize,
  readCancel,
  readErrors,
  readHealth,
  readLog,
  readNsid,
  readPrometheus,
  readReady,
  readView,
} from './plugins/serving.ts';
import { type CompileContext, readFlag, readWhole, readZone } from './read.ts';
import { refuse } from './tokens.ts';

/** The plan in a Corefile. Pure but for the authorities that `forward … tls` names. @throws PodnetError naming the line */
export function compileCorefile(text: string, context: CompileContext): CorefilePlan {
  const notes: string[] = [];
  const servers = parseCorefile(text, context.files).map((block) =>
    compileBlock(block, { ...context, notes }),
  );
  refuseDoubles(servers);
  return { servers, notes };
}

interface BlockContext extends CompileContext {
  readonly notes: string[];
}

type Draft = { -readonly [K in keyof ServerPlan]: ServerPlan[K] };

/** Reads one plugin's directive into the plan. */
type Reader = (draft: Draft, directive: Directive, context: BlockContext) => void;

/** Every plugin that does something here. */
const readers: Readonly<Record<string, Reader>> = {
  bind: (draft, directive) => (draft.bind = [...draft.bind, ...readBind(directive)]),
  view: (draft, directive) => (draft.view = readView(directive)),
  cancel: (draft, directive) => (draft.cancelMs = readCancel(directive)),
  nsid: (draft, directive) => (draft.nsid = readNsid(directive)),
  bufsize: (draft, directive) => (draft.bufsize = readBufsize(directive)),
  ready: (draft, directive) => (draft.ready = readReady(directive)),
  health: (draft, directive) => (draft.health = readHealth(directive)),
  prometheus: (draft, directive) => (draft.prometheus = readPrometheus(directive)),
  errors: (draft, directive) => (draft.errors = readErrors(directive)),
  log: (draft, directive) => (draft.log = [...draft.log, readLog(directive, draft.zones)]),
  local: (draft, directive) => (draft.local = readFlag(directive)),
  dns64: (draft, directive) => (draft.dns64 = readDns64(directive)),
  acl: (draft, directive) => (draft.acl = [...draft.acl, ...readAcl(directive, draft.zones)]),
  any: (draft, directive) => (draft.any = readFlag(directive)),
  chaos: (draft, directive) => (draft.chaos = readChaos(directive)),
  loadbalance: (draft, directive) => {
    const [policy = 'round_robin'] = directive.args;
    if (policy !== 'round_robin')
      refuse(directive.line, `loadbalance ${policy} is not supported`, 'Write loadbalance round_robin.');
    draft.loadbalance = true;
  },
  cache: (draft, directive) => (draft.cache = readCache(directive, draft.zones)),
  rewrite: (draft, directive) => (draft.rewrite = [...draft.rewrite, readRewrite(directive)]),
  header: (draft, directive) => (draft.header = [...draft.header, ...readHeader(directive)]),
  autopath: (draft, directive) => (draft.autopath = readAutopath(directive, draft.zones)),
  minimal: (draft, directive) => (draft.minimal = readFlag(directive)),
  template: (draft, directive) =>
    (draft.template = [...draft.template, readTemplate(directive, draft.zones)]),
  hosts: (draft, directive, context) => (draft.hosts = readHosts(directive, draft.zones, context)),
  file: (draft, directive, context) =>
    (draft.file = [...draft.file, readFilePlugin(directive, draft.zones, context)]),
  kubernetes: (draft, directive) => (draft.kubernetes = readKubernetes(directive, draft.zones)),
  loop: (draft, directive) => (draft.loop = readFlag(directive)),
  forward: (draft, directive, context) =>
    (draft.forward = [...draft.forward, readForward(directive, context)]),
  whoami: (draft, directive) => (draft.whoami = readFlag(directive)),
};

/** Plugins that are accepted because nothing is lost without them, with the reason. */
const needless: Readonly<Record<string, string>> = {
  reload: 'the Corefile is followed as soon as it changes',
  debug: 'faults are logged and never end the server',
  metadata: 'what other plugins ask for is known anyway',
  timeouts: 'connections have limits of their own',
  multisocket: 'the number of threads is a setting of the agent',
  root: 'no files are read',
};

/** Plugins that may stand more than once in a block. */
const repeated = new Set(['bind', 'log', 'acl', 'rewrite', 'header', 'template', 'file', 'forward']);

function compileBlock({ keys, directives, line }: ServerBlock, context: BlockContext): ServerPlan {
  const { zones, port } = readKeys(keys, line);
  const draft: Draft = {
    ...nothing,
    zones,
    port,
    line,
  };
  const seen = new Set<string>();
  for (const directive of directives) {
    const { name } = directive;
    if (Object.hasOwn(needless, name)) {
      context.notes.push(`line ${directive.line}: ${name}: ${needless[name]}`);
      continue;
    }
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (read === undefined)
      refuse(
        directive.line,
        `There is no plugin "${name}"`,
        `Plugins are: ${Object.keys(readers).join(', ')}.`,
      );
    if (seen.has(name) && !repeated.has(name))
      refuse(directive.line, `${name} stands twice in its server block`, 'Remove one of them.');
    seen.add(name);
    read(draft, directive, context);
  }
  return draft;
}

const nothing: Omit<ServerPlan, 'zones' | 'port' | 'line'> = {
  bind: [],
  view: undefined,
  cancelMs: undefined,
  nsid: undefined,
  bufsize: undefined,
  ready: undefined,
  health: undefined,
  prometheus: undefined,
  errors: undefined,
  log: [],
  local: false,
  dns64: undefined,
  acl: [],
  any: false,
  chaos: undefined,
  loadbalance: false,
  cache: undefined,
  rewrite: [],
  header: [],
  autopath: undefined,
  minimal: false,
  template: [],
  hosts: undefined,
  kubernetes: undefined,
  file: [],
  loop: false,
  forward: [],
  whoami: false,
};

/** `[dns://]ZONE[:PORT]`, several of one port. */
function readKeys(keys: readonly string[], line: number): Pick<ServerPlan, 'zones' | 'port'> {
  const read = keys.map((key) => {
    const [, scheme = 'dns', rest = ''] = /^(?:(\w+):\/\/)?(.*)$/.exec(key) ?? [];
    if (scheme !== 'dns')
      refuse(line, `${scheme}:// is not a way to serve DNS here`, 'Use dns://, or leave it out.');
    const [, zone = rest, port] = /^(.*):(\d+)$/.exec(rest) ?? [];
    return {
      zones: readZone(zone === '' ? '.' : zone, line),
      port: port === undefined ? 53 : readWhole(port, line, { what: 'The port', least: 1, most: 65_535 }),
    };
  });
  const [first] = read;
  if (first === undefined) return { zones: [nameKey('.')], port: 53 };
  if (read.some(({ port }) => port !== first.port))
    refuse(line, 'A server block has zones of several ports', 'Write a block for each port.');
  const zones: NameKey[] = [...new Set(read.flatMap((key) => key.zones))];
  return { zones, port: first.port };
}

/** Two blocks may have one zone and port only where a view tells them apart. */
function refuseDoubles(servers: readonly ServerPlan[]): void {
  const lines = new Map<string, number>();
  for (const { zones, port, view, line } of servers) {
    if (view !== undefined) continue;
    for (const zone of zones) {
      const key = `${port} ${zone}`;
      const before = lines.get(key);
      if (before !== undefined)
        refuse(line, `The zone is served by the block in line ${before} already`, 'Join the two blocks.');
      lines.set(key, line);
    }
  }
}
