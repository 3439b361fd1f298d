import type { ConfigMap, Container, Pod, Secret, Service } from '../../model/objects.ts';
import { PodnetError } from '../../model/errors.ts';
import { expandVariables } from './expansion.ts';
import { fieldValue, resourceValue, type PodFacts } from './downward.ts';

export interface EnvironmentSources {
  readonly pod: Pod;
  readonly facts: PodFacts;
  /** Of the pod's namespace; undefined when there is none of that name. */
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
  /** For `enableServiceLinks`: the Services of the pod's namespace. */
  readonly services: readonly Service[];
}

/**
 * A container's environment: Services, then `envFrom` in order, then `env`, where each may use those before it.
 * Throws `PodnetError` with code `config-missing` for a reference that leads nowhere and is not optional.
 */
export function containerEnvironment(
  container: Container,
  sources: EnvironmentSources,
): Record<string, string> {
  const { pod, facts } = sources;
  const variables: Record<string, string> =
    pod.spec?.enableServiceLinks === false ? {} : serviceVariables(sources.services);
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const found = configMapRef
      ? sources.configMap(configMapRef.name ?? '')?.data
      : decodeSecret(sources.secret(secretRef?.name ?? ''));
    if (!found) {
      if ((configMapRef ?? secretRef)?.optional === true) continue;
      throw missing(
        configMapRef ? 'configmap' : 'secret',
        (configMapRef ?? secretRef)?.name ?? '',
        `container ${container.name}, envFrom`,
      );
    }
    for (const [name, value] of Object.entries(found))
      if (isVariableName(name)) variables[prefix + name] = value;
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const resolved = valueFrom
      ? referenced(container, name, valueFrom, sources, facts)
      : expandVariables(value ?? '', variables);
    if (resolved !== undefined) variables[name] = resolved;
  }
  return variables;
}

type ValueFrom = NonNullable<NonNullable<Container['env']>[number]['valueFrom']>;

function referenced(
  container: Container,
  variable: string,
  from: ValueFrom,
  sources: EnvironmentSources,
  facts: PodFacts,
): string | undefined {
  const where = `container ${container.name}, env ${variable}`;
  if (from.fieldRef) return fieldValue(sources.pod, from.fieldRef.fieldPath, facts, where);
  if (from.resourceFieldRef) {
    const { containerName, resource, divisor } = from.resourceFieldRef;
    const all = [...(sources.pod.spec?.initContainers ?? []), ...(sources.pod.spec?.containers ?? [])];
    const of = containerName === undefined ? container : all.find(({ name }) => name === containerName);
    return resourceValue(of ?? container, resource, divisor, facts);
  }
  const reference = from.configMapKeyRef ?? from.secretKeyRef;
  if (!reference) return undefined;
  const kind = from.configMapKeyRef ? 'configmap' : 'secret';
  const { name = '', key, optional = false } = reference;
  const data = kind === 'configmap' ? sources.configMap(name)?.data : decodeSecret(sources.secret(name));
  const value = data && Object.hasOwn(data, key) ? data[key] : undefined;
  if (value !== undefined || optional) return value;
  if (!data) throw missing(kind, name, where);
  throw new PodnetError(`couldn't find key ${key} in ${kind} ${name}`, {
    code: 'config-missing',
    where,
    fix: `Add the key ${key} to the ${kind} ${name}, or mark the reference optional.`,
  });
}

function missing(kind: string, name: string, where: string): PodnetError {
  return new PodnetError(`${kind} "${name}" not found`, {
    code: 'config-missing',
    where,
    fix: `Create the ${kind} ${name}, or mark the reference optional.`,
  });
}

export function decodeSecret(secret: Secret | undefined): Record<string, string> | undefined {
  if (!secret) return undefined;
  const data = Object.entries(secret.data ?? {}).map(([name, value]) => [
    name,
    Buffer.from(value, 'base64').toString(),
  ]);
  return Object.fromEntries(data) as Record<string, string>;
}

function isVariableName(name: string): boolean {
  return name !== '' && !/[=\0]/.test(name);
}

/** `WEB_SERVICE_HOST` and the names of container links, for Services with a cluster IP. */
export function serviceVariables(services: readonly Service[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { metadata, spec } of services) {
    const address = spec?.clusterIP;
    const ports = spec?.ports ?? [];
    if (address === undefined || address === '' || address === 'None' || ports.length === 0) continue;
    const prefix = (metadata?.name ?? '').toUpperCase().replaceAll('-', '_');
    const host = address.includes(':') ? `[${address}]` : address;
    variables[`${prefix}_SERVICE_HOST`] = address;
    ports.forEach(({ name, port, protocol = 'TCP' }, index) => {
      const url = `${protocol.toLowerCase()}://${host}:${port}`;
      const link = `${prefix}_PORT_${port}_${protocol}`;
      if (index === 0) {
        variables[`${prefix}_SERVICE_PORT`] = String(port);
        variables[`${prefix}_PORT`] = url;
      }
      if (name) variables[`${prefix}_SERVICE_PORT_${name.toUpperCase().replaceAll('-', '_')}`] = String(port);
      variables[link] = url;
      variables[`${link}_PROTO`] = protocol.toLowerCase();
      variables[`${link}_PORT`] = String(port);
      variables[`${link}_ADDR`] = address;
    });
  }
  return variables;
}
