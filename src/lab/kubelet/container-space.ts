import { mkdirSync } from 'node:fs';
import type { Container } from '../../model/objects.ts';
import { containerCapabilities } from '../workloads/isolate/capabilities.ts';
import { createContainerSpace, type ContainerSpace } from '../workloads/isolate/isolated-container.ts';
import type { InstancePod } from './instance-pod.ts';
import type { PodContext } from './pod-context.ts';

export interface ContainerRun {
  readonly spec: Container;
  readonly environment: Readonly<Record<string, string>>;
  /** Of this run alone: the container's writable layer. */
  readonly directory: string;
}

/** Where a container's programs run. Events say what the container asked for and does not get. */
export function openContainerSpace(context: PodContext, of: InstancePod, run: ContainerRun): ContainerSpace {
  const { spec, environment, directory } = run;
  const { pod, sandbox } = of;
  const isolation = context.isolation();
  const podContext = pod.spec?.securityContext;
  const user = spec.securityContext?.runAsUser ?? podContext?.runAsUser;
  const group = spec.securityContext?.runAsGroup ?? podContext?.runAsGroup;
  const { granted, refused } = containerCapabilities(spec);
  if (refused.length > 0)
    of.event(
      'Warning',
      'CapabilityRefused',
      `Container ${spec.name} asked for ${refused.join(', ')}, which no container of the lab gets`,
    );
  const [userIsThere, groupIsThere] = [
    isMappedOr(user, isolation.isUserMapped),
    isMappedOr(group, isolation.isGroupMapped),
  ];
  if (!userIsThere || !groupIsThere)
    of.event(
      'Warning',
      'RunAsUser',
      `Container ${spec.name} runs as user 0: without root the lab has no user ${user ?? 0} or group ${group ?? 0}`,
    );
  const asked = userIsThere && groupIsThere;
  const groups = [
    ...(podContext?.supplementalGroups ?? []),
    ...(podContext?.fsGroup === undefined ? [] : [podContext.fsGroup]),
  ];
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return createContainerSpace(isolation, sandbox.namespaces, {
    directory,
    environment,
    workingDirectory: spec.workingDir ?? '/',
    volumes: context.files.mounts(pod, spec, sandbox),
    readOnlyRoot: spec.securityContext?.readOnlyRootFilesystem === true,
    privileged: spec.securityContext?.privileged === true,
    capabilities: granted,
    noNewPrivileges: spec.securityContext?.allowPrivilegeEscalation === false,
    user: asked ? user : undefined,
    group: asked ? group : undefined,
    supplementaryGroups: groups.filter((id) => isolation.isGroupMapped(id)),
  });
}

function isMappedOr(id: number | undefined, isMapped: (id: number) => boolean): boolean {
  return id === undefined || isMapped(id);
}
