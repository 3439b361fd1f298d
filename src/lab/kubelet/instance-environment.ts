import type { Container, Service } from '../../model/objects.ts';
import { containerEnvironment, serviceVariables } from './environment.ts';
import type { InstancePod } from './instance-pod.ts';
import type { ObjectReader } from './object-reader.ts';

/** A container's environment, with the objects it refers to read. Throws what `containerEnvironment` throws. */
export async function readEnvironment(
  spec: Container,
  { pod, facts }: Pick<InstancePod, 'pod' | 'facts'>,
  objects: ObjectReader,
): Promise<Readonly<Record<string, string>>> {
  const namespace = pod.metadata?.namespace ?? 'default';
  const [maps, secrets] = [new Set<string>(), new Set<string>()];
  for (const { configMapRef, secretRef } of spec.envFrom ?? []) {
    if (configMapRef) maps.add(configMapRef.name ?? '');
    if (secretRef) secrets.add(secretRef.name ?? '');
  }
  for (const { valueFrom } of spec.env ?? []) {
    if (valueFrom?.configMapKeyRef) maps.add(valueFrom.configMapKeyRef.name ?? '');
    if (valueFrom?.secretKeyRef) secrets.add(valueFrom.secretKeyRef.name ?? '');
  }
  const [configMapsFound, secretsFound] = await Promise.all([
    readAll(maps, (name) => objects.configMap(namespace, name)),
    readAll(secrets, (name) => objects.secret(namespace, name)),
  ]);
  // A stand-in looks at no Service, but what `kubectl exec` starts in it may.
  const services = pod.spec?.enableServiceLinks === false ? [] : await objects.services(namespace);
  const isPlain = (spec.env ?? []).length === 0 && (spec.envFrom ?? []).length === 0;
  if (isPlain) return sharedVariables(services);
  return containerEnvironment(spec, {
    pod,
    facts,
    configMap: (name) => configMapsFound.get(name),
    secret: (name) => secretsFound.get(name),
    services,
  });
}

const variablesOf = new WeakMap<readonly Service[], Readonly<Record<string, string>>>();

/** Those of Services alone, one object for all the containers that start together: a lab has many of them. */
function sharedVariables(services: readonly Service[]): Readonly<Record<string, string>> {
  const known = variablesOf.get(services) ?? Object.freeze(serviceVariables(services));
  variablesOf.set(services, known);
  return known;
}

async function readAll<T>(
  names: ReadonlySet<string>,
  read: (name: string) => Promise<T>,
): Promise<Map<string, T>> {
  return new Map(await Promise.all([...names].map(async (name) => [name, await read(name)] as const)));
}
