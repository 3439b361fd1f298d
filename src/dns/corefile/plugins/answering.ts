/** Plugins that answer from what the Corefile itself or the cluster says. */
import { errorMessage } from '../../../model/errors.ts';
import { tryParseIp } from '../../../model/ip.ts';
import { parseLabelSelector } from '../../../model/selectors.ts';
import type { Directive } from '../parse.ts';
import type {
  AclRule,
  ChaosPlan,
  Dns64Plan,
  Fallthrough,
  FilePlan,
  HostsPlan,
  KubernetesPlan,
  ServerPlan,
} from '../plan.ts';
import {
  type CompileContext,
  readArg,
  readArgs,
  readChoice,
  readFallthrough,
  readFile,
  readFlag,
  readNetwork,
  readOptions,
  readType,
  readWhole,
  readZones,
} from '../read.ts';
import { refuse } from '../tokens.ts';

type Zones = ServerPlan['zones'];

const MAX_TTL = { least: 0, most: 65_535 } as const;

export function readKubernetes(directive: Directive, zones: Zones): KubernetesPlan {
  const { line } = directive;
  const plan = {
    zones: readZones(directive.args, line, zones),
    namespaces: undefined as readonly string[] | undefined,
    namespaceLabels: '',
    pods: 'disabled' as KubernetesPlan['pods'],
    endpointPodNames: false,
    ttlSeconds: 5,
    endpoints: true,
    ignoreEmptyServices: false,
    fallthrough: [] as Fallthrough,
  };
  const ownConnection = (option: Directive): never =>
    refuse(
      option.line,
      `kubernetes: ${option.name} says how to reach the API`,
      'Remove it: the agent is connected already.',
    );
  readOptions(directive, {
    namespaces: (option) => {
      plan.namespaces = readArgs(option, 1, Infinity);
    },
    labels: (option) =>
      refuse(option.line, 'kubernetes: labels is not supported', 'Choose namespaces, or namespace_labels.'),
    namespace_labels: (option) => {
      plan.namespaceLabels = readSelector(readArgs(option, 1, Infinity).join(' '), option.line);
    },
    pods: (option) => {
      const choices = ['disabled', 'insecure', 'verified'] as const;
      plan.pods = readChoice(readArg(option), option.line, { what: 'pods', choices });
    },
    endpoint_pod_names: (option) => {
      plan.endpointPodNames = readFlag(option);
    },
    ttl: (option) => {
      plan.ttlSeconds = readWhole(readArg(option), option.line, { what: 'ttl', least: 0, most: 3600 });
    },
    noendpoints: (option) => {
      plan.endpoints = !readFlag(option);
    },
    ignore: (option) => {
      readChoice(readArg(option), option.line, { what: 'ignore', choices: ['empty_service'] });
      plan.ignoreEmptyServices = true;
    },
    fallthrough: (option) => {
      plan.fallthrough = readFallthrough(option);
    },
    endpoint: ownConnection,
    tls: ownConnection,
    kubeconfig: ownConnection,
    startup_timeout: (option) => void readArgs(option, 1),
  });
  if (plan.namespaces !== undefined && plan.namespaceLabels !== '')
    refuse(line, 'kubernetes has both namespaces and namespace_labels', 'Keep one of them.');
  return plan;
}

function readSelector(text: string, line: number): string {
  try {
    parseLabelSelector(text);
    return text;
  } catch (error) {
    return refuse(line, `namespace_labels: ${errorMessage(error)}`, 'Write it as in team=a,env!=test.');
  }
}

export function readHosts(directive: Directive, zones: Zones, context: CompileContext): HostsPlan {
  const { line } = directive;
  const [first, ...rest] = directive.args;
  // Without a file the arguments are zones; a file is told by its path.
  const file = first?.includes('/') === true ? first : undefined;
  const entries = file === undefined ? [] : readHostsFile(readFile(file, directive, context));
  let ttlSeconds = 3600;
  let reverse = true;
  let fallthrough: Fallthrough = [];
  for (const option of directive.block) {
    switch (option.name) {
      case 'ttl':
        ttlSeconds = readWhole(readArg(option), option.line, { what: 'ttl', least: 1, most: MAX_TTL.most });
        break;
      case 'no_reverse':
        reverse = !readFlag(option);
        break;
      case 'reload':
        readArgs(option, 1);
        break;
      case 'fallthrough':
        fallthrough = readFallthrough(option);
        break;
      default:
        if (tryParseIp(option.name) === undefined)
          refuse(
            option.line,
            `hosts: "${option.name}" is neither an address nor an option`,
            'Write ADDRESS NAME…, or one of: ttl, no_reverse, reload, fallthrough.',
          );
        entries.push({ address: option.name, names: readArgs(option, 1, Infinity) });
    }
  }
  const given = file === undefined ? directive.args : rest;
  return { zones: readZones(given, line, zones), entries, ttlSeconds, reverse, fallthrough };
}

/** `ADDRESS NAME… # comment` a line; what is no address is passed over, as everywhere. */
function readHostsFile(text: string): { address: string; names: readonly string[] }[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line
      .replace(/#.*/, '')
      .split(/\s+/)
      .filter((word) => word !== '');
    return tryParseIp(address) === undefined || names.length === 0 ? [] : [{ address, names }];
  });
}

/** `file DBFILE [ZONES]` */
export function readFilePlugin(directive: Directive, zones: Zones, context: CompileContext): FilePlan {
  const [path = '', ...names] = readArgs(directive, 1, Infinity);
  let fallthrough: Fallthrough = [];
  readOptions(directive, {
    reload: (option) => void readArgs(option, 1),
    fallthrough: (option) => {
      fallthrough = readFallthrough(option);
    },
  });
  return {
    zones: readZones(names, directive.line, zones),
    text: readFile(path, directive, context),
    fallthrough,
  };
}

export function readAcl(directive: Directive, zones: Zones): readonly AclRule[] {
  const of = readZones(directive.args, directive.line, zones);
  const rules: AclRule[] = [];
  const read =
    (action: AclRule['action']) =>
    ({ args, line }: Directive): void => {
      const { types, networks } = readTypesAndNetworks(args, line);
      rules.push({ zones: of, action, types, networks });
    };
  readOptions(directive, {
    allow: read('allow'),
    block: read('block'),
    filter: read('filter'),
    drop: read('drop'),
  });
  return rules;
}

/** `[type QTYPE…] [net NETWORK…]`, `*` for all. */
function readTypesAndNetworks(args: readonly string[], line: number): Pick<AclRule, 'types' | 'networks'> {
  const types: number[] = [];
  const networks: AclRule['networks'][number][] = [];
  let section = '';
  for (const arg of args) {
    if (arg === 'type' || arg === 'net') section = arg;
    else if (section === '')
      refuse(line, `"${arg}" stands where type or net is wanted`, 'Write net 10.0.0.0/8.');
    else if (arg === '*') continue;
    else if (section === 'type') types.push(readType(arg, line));
    else networks.push(readNetwork(arg, line));
  }
  return { types, networks };
}

export function readDns64(directive: Directive): Dns64Plan {
  const { line } = directive;
  let [prefix = '64:ff9b::/96'] = readArgs(directive, 0, 1);
  let translateAll = false;
  let allowIpv4 = false;
  readOptions(directive, {
    prefix: (option) => {
      prefix = readArg(option);
    },
    translate_all: (option) => {
      translateAll = readFlag(option);
    },
    allow_ipv4: (option) => {
      allowIpv4 = readFlag(option);
    },
  });
  const network = readNetwork(prefix, line);
  if (network.family !== 6 || ![32, 40, 48, 56, 64, 96].includes(network.prefixLength))
    refuse(
      line,
      `dns64: "${prefix}" is no prefix to translate with`,
      'Use an IPv6 prefix of /32 to /64, or /96 (RFC 6052).',
    );
  return { prefix: network, translateAll, allowIpv4 };
}

export function readChaos({ args }: Directive): ChaosPlan {
  const [version = 'podnet', ...authors] = args;
  return { version, authors };
}
