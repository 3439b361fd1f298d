/** The rules of a pod's spec: k8s.io/kubernetes pkg/apis/core/validation/validation.go, in its words. */
import { isIP } from 'node:net';

import {
  duplicate,
  forbiddenField,
  invalid,
  notSupported,
  required,
  type FieldError,
} from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, textOf, type Loose } from '../json-value.ts';
import { validateContainer } from './container.ts';
import { validateLabels } from './metadata.ts';
import { labelNameProblem, subdomainProblem } from './names.ts';

const RESTART_POLICIES = ['Always', 'Never', 'OnFailure'];
const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
const NON_NEGATIVE = 'must be greater than or equal to 0';

export function validatePodSpec(spec: Loose, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const volumes = new Set<string>();
  errors.push(...validateVolumes(listAt(spec, 'volumes'), `${at}.volumes`, volumes));
  errors.push(...validateContainers(spec, at, volumes));
  const {
    restartPolicy,
    dnsPolicy,
    terminationGracePeriodSeconds: grace,
    activeDeadlineSeconds: deadline,
  } = spec;
  if (!RESTART_POLICIES.includes(textOf(restartPolicy))) {
    errors.push(notSupported(`${at}.restartPolicy`, restartPolicy, RESTART_POLICIES));
  }
  if (!DNS_POLICIES.includes(textOf(dnsPolicy)))
    errors.push(notSupported(`${at}.dnsPolicy`, dnsPolicy, DNS_POLICIES));
  if (typeof grace === 'number' && grace < 0)
    errors.push(invalid(`${at}.terminationGracePeriodSeconds`, grace, NON_NEGATIVE));
  if (typeof deadline === 'number' && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    errors.push(
      invalid(`${at}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'),
    );
  }
  errors.push(...validateLabels(spec['nodeSelector'], `${at}.nodeSelector`));
  for (const [field, problemOf] of [
    ['hostname', labelNameProblem],
    ['subdomain', labelNameProblem],
    ['nodeName', subdomainProblem],
    ['serviceAccountName', subdomainProblem],
    ['priorityClassName', subdomainProblem],
  ] as const) {
    const value = stringAt(spec, field);
    const problem = value === '' ? undefined : problemOf(value);
    if (problem !== undefined) errors.push(invalid(`${at}.${field}`, value, problem));
  }
  errors.push(...validateDns(spec, at), ...validateHostAliases(spec, at), ...validateTolerations(spec, at));
  return errors;
}

function validateContainers(spec: Loose, at: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const hostPorts = new Set<string>();
  if (listAt(spec, 'containers').length === 0) errors.push(required(`${at}.containers`));
  for (const member of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [index, container] of listAt(spec, member).entries()) {
      const place = `${at}.${member}[${index}]`;
      if (!isObject(container)) {
        errors.push(required(`${place}.name`));
        continue;
      }
      const name = stringAt(container, 'name');
      const problem = name === '' ? undefined : labelNameProblem(name);
      if (name === '') errors.push(required(`${place}.name`));
      else if (problem !== undefined) errors.push(invalid(`${place}.name`, name, problem));
      else if (names.has(name)) errors.push(duplicate(`${place}.name`, name));
      names.add(name);
      errors.push(
        ...validateContainer(container, place, { volumes, hostPorts, init: member === 'initContainers' }),
      );
    }
  }
  return errors;
}

function validateVolumes(volumes: readonly unknown[], at: string, names: Set<string>): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, volume] of volumes.entries()) {
    if (!isObject(volume)) continue;
    const place = `${at}[${index}]`;
    const name = stringAt(volume, 'name');
    const problem = name === '' ? undefined : labelNameProblem(name);
    if (name === '') errors.push(required(`${place}.name`));
    else if (problem !== undefined) errors.push(invalid(`${place}.name`, name, problem));
    else if (names.has(name)) errors.push(duplicate(`${place}.name`, name));
    names.add(name);
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    if (sources.length === 0) errors.push(required(place, 'must specify a volume type'));
    for (const source of sources.slice(1)) {
      errors.push(forbiddenField(`${place}.${source}`, 'may not specify more than 1 volume type'));
    }
    if (isObject(volume['secret']) && stringAt(volume, 'secret', 'secretName') === '') {
      errors.push(required(`${place}.secret.secretName`));
    }
    if (isObject(volume['configMap']) && stringAt(volume, 'configMap', 'name') === '') {
      errors.push(required(`${place}.configMap.name`));
    }
    if (isObject(volume['hostPath']) && stringAt(volume, 'hostPath', 'path') === '') {
      errors.push(required(`${place}.hostPath.path`));
    }
    if (
      isObject(volume['persistentVolumeClaim']) &&
      stringAt(volume, 'persistentVolumeClaim', 'claimName') === ''
    ) {
      errors.push(required(`${place}.persistentVolumeClaim.claimName`));
    }
  }
  return errors;
}

function validateDns(spec: Loose, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const config = spec['dnsConfig'];
  const servers = listAt(config, 'nameservers');
  if (spec['dnsPolicy'] === 'None' && servers.length === 0) {
    errors.push(
      required(
        `${at}.dnsConfig${isObject(config) ? '.nameservers' : ''}`,
        'must provide at least one DNS nameserver when `dnsPolicy` is None',
      ),
    );
  }
  if (servers.length > 3)
    errors.push(invalid(`${at}.dnsConfig.nameservers`, servers, 'must not have more than 3 nameservers'));
  for (const [index, server] of servers.entries()) {
    if (isIP(String(server)) === 0) {
      errors.push(
        invalid(
          `${at}.dnsConfig.nameservers[${index}]`,
          server,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      );
    }
  }
  const searches = listAt(config, 'searches');
  if (searches.length > 32)
    errors.push(invalid(`${at}.dnsConfig.searches`, searches, 'must not have more than 32 search paths'));
  for (const [index, search] of searches.entries()) {
    const text = String(search).replace(/\.$/u, '');
    const problem = text === '' ? undefined : subdomainProblem(text.toLowerCase().replaceAll('_', '-'));
    if (problem !== undefined) errors.push(invalid(`${at}.dnsConfig.searches[${index}]`, search, problem));
  }
  for (const [index, option] of listAt(config, 'options').entries()) {
    if (stringAt(option, 'name') === '')
      errors.push(required(`${at}.dnsConfig.options[${index}]`, 'must not be empty'));
  }
  return errors;
}

function validateHostAliases(spec: Loose, at: string): FieldError[] {
  return listAt(spec, 'hostAliases').flatMap((alias, index) => {
    const errors: FieldError[] = [];
    const ip = stringAt(alias, 'ip');
    if (isIP(ip) === 0) {
      errors.push(
        invalid(
          `${at}.hostAliases[${index}].ip`,
          ip,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      );
    }
    for (const [position, name] of listAt(alias, 'hostnames').entries()) {
      const problem = subdomainProblem(String(name));
      if (problem !== undefined)
        errors.push(invalid(`${at}.hostAliases[${index}].hostnames[${position}]`, name, problem));
    }
    return errors;
  });
}

function validateTolerations(spec: Loose, at: string): FieldError[] {
  const operators = ['Equal', 'Exists'];
  const effects = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];
  return listAt(spec, 'tolerations').flatMap((toleration, index) => {
    const place = `${at}.tolerations[${index}]`;
    const errors: FieldError[] = [];
    const { key, operator, effect, value } = objectAt(toleration);
    if (operator !== undefined && operator !== '' && !operators.includes(textOf(operator))) {
      errors.push(notSupported(`${place}.operator`, operator, operators));
    }
    if ((key === undefined || key === '') && operator !== 'Exists') {
      errors.push(
        invalid(
          `${place}.operator`,
          operator ?? '',
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (operator === 'Exists' && typeof value === 'string' && value !== '') {
      errors.push(
        invalid(`${place}.operator`, toleration, "value must be empty when `operator` is 'Exists'"),
      );
    }
    if (effect !== undefined && effect !== '' && !effects.includes(textOf(effect))) {
      errors.push(notSupported(`${place}.effect`, effect, effects));
    }
    return errors;
  });
}

/** Sentences for what is allowed and probably not meant. */
export function podSpecWarnings(spec: Loose, at: string): string[] {
  const warnings: string[] = [];
  for (const [index, container] of listAt(spec, 'containers').entries()) {
    const seen = new Map<string, string>();
    for (const [position, port] of listAt(container, 'ports').entries()) {
      const { containerPort, protocol, hostPort, hostIP } = objectAt(port);
      const key = [containerPort, protocol, hostPort, hostIP].join('/');
      const place = `${at}.containers[${index}].ports[${position}]`;
      const before = seen.get(key);
      if (before !== undefined) warnings.push(`${place}: duplicate port definition with ${before}`);
      seen.set(key, place);
    }
    const names = new Set<unknown>();
    for (const [position, variable] of listAt(container, 'env').entries()) {
      const name = stringAt(variable, 'name');
      if (names.has(name))
        warnings.push(
          `${at}.containers[${index}].env[${position}]: hides previous definition of "${name}", which may be dropped when using apply`,
        );
      names.add(name);
    }
  }
  return warnings;
}
