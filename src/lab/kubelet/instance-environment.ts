import type { Container } from '../../model/objects.ts';
import { imageDefaults } from '../workloads/image-defaults.ts';
import { containerEnvironment } from './environment.ts';
import type { InstancePod } from './instance-pod.ts';
import type { ObjectReader } from './object-reader.ts';

/** A container's environment, with the objects it refers to read. Throws what `containerEnvironment` throws. */
export async function readEnvironment(
  spec: Container,
  { pod, facts }: Pick<InstancePod, 'pod' | 'facts'>,
  objects: ObjectReader,
): Promise<Record<string, string>> {
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
  return containerEnvironment(spec, {
    pod,
    facts,
    configMap: (name) => configMapsFound.get(name),
    secret: (name) => secretsFound.get(name),
    services:
      pod.spec?.enableServiceLinks !== false && mayRunProgram(spec) ? await objects.services(namespace) : [],
  });
}

/** A stand-in looks at no Service: their variables are only there for programs. */
function mayRunProgram({ command, args, image = '' }: Container): boolean {
  return command !== undefined || args !== undefined || imageDefaults(image)?.shell !== undefined;
}

async function readAll<T>(
  names: ReadonlySet<string>,
  read: (name: string) => Promise<T>,
): Promise<Map<string, T>> {
  return new Map(await Promise.all([...names].map(async (name) => [name, await read(name)] as const)));
}
