/** Whether a result has exactly the keys its version has: what a strict reader of that version would stumble over. */
import { tryParseCidr, tryParseIp } from '../../model/ip.ts';
import { type JsonObject, isJsonObject } from '../spec/json.ts';
import { type CniVersion, isAtLeast, isCniVersion } from '../spec/versions.ts';

type Check = (value: unknown) => boolean;

interface Key {
  readonly check: Check;
  readonly required?: true;
  readonly since?: CniVersion;
  /** The first version without it. */
  readonly until?: CniVersion;
}

const text: Check = (value) => typeof value === 'string';
const filled: Check = (value) => typeof value === 'string' && value !== '';
const whole: Check = (value) => Number.isInteger(value);
const texts: Check = (value) => value === null || (Array.isArray(value) && value.every(text));
const ip: Check = (value) => typeof value === 'string' && tryParseIp(value) !== undefined;
const cidr: Check = (value) => typeof value === 'string' && tryParseCidr(value) !== undefined;
const family: Check = (value) => value === '4' || value === '6';

const interfaceKeys: Readonly<Record<string, Key>> = {
  name: { check: filled, required: true },
  mac: { check: text },
  sandbox: { check: text },
  mtu: { check: whole, since: '1.1.0' },
  socketPath: { check: text, since: '1.1.0' },
  pciID: { check: text, since: '1.1.0' },
};

const ipKeys: Readonly<Record<string, Key>> = {
  version: { check: family, required: true, until: '1.0.0' },
  address: { check: cidr, required: true },
  gateway: { check: ip },
  interface: { check: whole },
};

const routeKeys: Readonly<Record<string, Key>> = {
  dst: { check: cidr, required: true },
  gw: { check: ip },
  mtu: { check: whole, since: '1.1.0' },
  advmss: { check: whole, since: '1.1.0' },
  priority: { check: whole, since: '1.1.0' },
  table: { check: whole, since: '1.1.0' },
  scope: { check: whole, since: '1.1.0' },
};

const dnsKeys: Readonly<Record<string, Key>> = {
  nameservers: { check: texts },
  domain: { check: text },
  search: { check: texts },
  options: { check: texts },
};

const lists = { interfaces: interfaceKeys, ips: ipKeys, routes: routeKeys } as const;

/** What is wrong with a result of the given version; empty when nothing is. */
export function resultProblems(result: JsonObject, version: string): string[] {
  if (!isCniVersion(version)) return [];
  const problems: string[] = [];
  if (result['cniVersion'] !== version)
    problems.push(
      `cniVersion is ${JSON.stringify(result['cniVersion'])}, and the configuration speaks ${version}`,
    );
  for (const [key, value] of Object.entries(result)) {
    if (key === 'cniVersion') continue;
    if (key === 'dns') problems.push(...objectProblems(value, dnsKeys, { version, path: 'dns' }));
    else if (key === 'interfaces' || key === 'ips' || key === 'routes')
      problems.push(...listProblems(value, lists[key], { version, path: key }));
    else problems.push(`${key} is no key of a result`);
  }
  return [...problems, ...indexProblems(result)];
}

interface Place {
  readonly version: CniVersion;
  readonly path: string;
}

function listProblems(
  value: unknown,
  keys: Readonly<Record<string, Key>>,
  { version, path }: Place,
): string[] {
  if (value === null) return [];
  if (!Array.isArray(value)) return [`${path} is no list`];
  return value.flatMap((one: unknown, index) =>
    objectProblems(one, keys, { version, path: `${path}[${index}]` }),
  );
}

function objectProblems(
  value: unknown,
  keys: Readonly<Record<string, Key>>,
  { version, path }: Place,
): string[] {
  if (!isJsonObject(value)) return [`${path} is no object`];
  const known = Object.entries(keys).filter(
    ([, { since, until }]) => (!since || isAtLeast(version, since)) && (!until || !isAtLeast(version, until)),
  );
  const wrong = known.flatMap(([key, { check, required }]) => {
    if (!Object.hasOwn(value, key)) return required ? [`${path} has no ${key}`] : [];
    return check(value[key]) ? [] : [`${path}.${key} is ${JSON.stringify(value[key])}`];
  });
  const strange = Object.keys(value)
    .filter((key) => !known.some(([name]) => name === key))
    .map((key) => `${path}.${key} is no key of version ${version}`);
  return [...wrong, ...strange];
}

function indexProblems({ interfaces, ips }: JsonObject): string[] {
  const count = Array.isArray(interfaces) ? interfaces.length : 0;
  if (!Array.isArray(ips)) return [];
  return ips.flatMap((one: unknown, index) => {
    const place = isJsonObject(one) ? one['interface'] : undefined;
    const isWrong = typeof place === 'number' && (place >= count || place < 0);
    return isWrong ? [`ips[${index}].interface is ${place}, and there are ${count} interfaces`] : [];
  });
}
