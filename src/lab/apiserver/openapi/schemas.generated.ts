// Made by tools/generate-schemas.ts from kubernetes-types; do not edit. The format is told in schema.ts.
export const schemaText = `
admissionregistration/v1.AuditAnnotation
key! string
valueExpression! string

admissionregistration/v1.ExpressionWarning
fieldRef! string
warning! string

admissionregistration/v1.MatchCondition
expression! string
name! string

admissionregistration/v1.MatchResources
excludeResourceRules []admissionregistration/v1.NamedRuleWithOperations
matchPolicy string
namespaceSelector meta/v1.LabelSelector
objectSelector meta/v1.LabelSelector
resourceRules []admissionregistration/v1.NamedRuleWithOperations

admissionregistration/v1.MutatingWebhook
admissionReviewVersions! []string
clientConfig! admissionregistration/v1.WebhookClientConfig
failurePolicy string
matchConditions []admissionregistration/v1.MatchCondition
matchPolicy string
name! string
namespaceSelector meta/v1.LabelSelector
objectSelector meta/v1.LabelSelector
reinvocationPolicy string
rules []admissionregistration/v1.RuleWithOperations
sideEffects! string
timeoutSeconds integer

admissionregistration/v1.MutatingWebhookConfiguration admissionregistration.k8s.io/v1 MutatingWebhookConfiguration
apiVersion string
kind string
metadata meta/v1.ObjectMeta
webhooks []admissionregistration/v1.MutatingWebhook

admissionregistration/v1.NamedRuleWithOperations
apiGroups []string
apiVersions []string
operations []string
resourceNames []string

admissionregistration/v1.ParamKind
apiVersion string
kind string

admissionregistration/v1.ParamRef
name string
namespace string
parameterNotFoundAction string
selector meta/v1.LabelSelector

admissionregistration/v1.RuleWithOperations
apiGroups []string
apiVersions []string
operations []string

admissionregistration/v1.ServiceReference
name! string
namespace! string
path string
port integer

admissionregistration/v1.TypeChecking
expressionWarnings []admissionregistration/v1.ExpressionWarning

admissionregistration/v1.ValidatingAdmissionPolicy admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec admissionregistration/v1.ValidatingAdmissionPolicySpec
status admissionregistration/v1.ValidatingAdmissionPolicyStatus

admissionregistration/v1.ValidatingAdmissionPolicyBinding admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec admissionregistration/v1.ValidatingAdmissionPolicyBindingSpec

admissionregistration/v1.ValidatingAdmissionPolicyBindingSpec
matchResources admissionregistration/v1.MatchResources
paramRef admissionregistration/v1.ParamRef
policyName string
validationActions []string

admissionregistration/v1.ValidatingAdmissionPolicySpec
auditAnnotations []admissionregistration/v1.AuditAnnotation
failurePolicy string
matchConditions []admissionregistration/v1.MatchCondition
matchConstraints admissionregistration/v1.MatchResources
paramKind admissionregistration/v1.ParamKind
validations []admissionregistration/v1.Validation
variables []admissionregistration/v1.Variable

admissionregistration/v1.ValidatingAdmissionPolicyStatus
conditions []meta/v1.Condition
observedGeneration integer
typeChecking admissionregistration/v1.TypeChecking

admissionregistration/v1.ValidatingWebhook
admissionReviewVersions! []string
clientConfig! admissionregistration/v1.WebhookClientConfig
failurePolicy string
matchConditions []admissionregistration/v1.MatchCondition
matchPolicy string
name! string
namespaceSelector meta/v1.LabelSelector
objectSelector meta/v1.LabelSelector
rules []admissionregistration/v1.RuleWithOperations
sideEffects! string
timeoutSeconds integer

admissionregistration/v1.ValidatingWebhookConfiguration admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration
apiVersion string
kind string
metadata meta/v1.ObjectMeta
webhooks []admissionregistration/v1.ValidatingWebhook

admissionregistration/v1.Validation
expression! string
message string
messageExpression string
reason string

admissionregistration/v1.Variable
expression! string
name! string

admissionregistration/v1.WebhookClientConfig
caBundle bytes
service admissionregistration/v1.ServiceReference
url string

apiextensions/v1.CustomResourceColumnDefinition
description string
format string
jsonPath! string
name! string
priority integer
type! string

apiextensions/v1.CustomResourceConversion
strategy! string
webhook apiextensions/v1.WebhookConversion

apiextensions/v1.CustomResourceDefinition apiextensions.k8s.io/v1 CustomResourceDefinition
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! apiextensions/v1.CustomResourceDefinitionSpec
status apiextensions/v1.CustomResourceDefinitionStatus

apiextensions/v1.CustomResourceDefinitionCondition
lastTransitionTime time
message string
reason string
status! string
type! string

apiextensions/v1.CustomResourceDefinitionNames
categories []string
kind! string
listKind string
plural! string
shortNames []string
singular string

apiextensions/v1.CustomResourceDefinitionSpec
conversion apiextensions/v1.CustomResourceConversion
group! string
names! apiextensions/v1.CustomResourceDefinitionNames
preserveUnknownFields boolean
scope! string
versions! []apiextensions/v1.CustomResourceDefinitionVersion

apiextensions/v1.CustomResourceDefinitionStatus
acceptedNames apiextensions/v1.CustomResourceDefinitionNames
conditions []apiextensions/v1.CustomResourceDefinitionCondition keys=type
storedVersions []string

apiextensions/v1.CustomResourceDefinitionVersion
additionalPrinterColumns []apiextensions/v1.CustomResourceColumnDefinition
deprecated boolean
deprecationWarning string
name! string
schema apiextensions/v1.CustomResourceValidation
selectableFields []apiextensions/v1.SelectableField
served! boolean
storage! boolean
subresources apiextensions/v1.CustomResourceSubresources

apiextensions/v1.CustomResourceSubresourceScale
labelSelectorPath string
specReplicasPath! string
statusReplicasPath! string

apiextensions/v1.CustomResourceSubresourceStatus

apiextensions/v1.CustomResourceSubresources
scale apiextensions/v1.CustomResourceSubresourceScale
status apiextensions/v1.CustomResourceSubresourceStatus

apiextensions/v1.CustomResourceValidation
openAPIV3Schema apiextensions/v1.JSONSchemaProps

apiextensions/v1.ExternalDocumentation
description string
url string

apiextensions/v1.JSONSchemaProps
$ref string
$schema string
additionalItems any
additionalProperties any
allOf []apiextensions/v1.JSONSchemaProps
anyOf []apiextensions/v1.JSONSchemaProps
default any
definitions map apiextensions/v1.JSONSchemaProps
dependencies map any
description string
enum []any
example any
exclusiveMaximum boolean
exclusiveMinimum boolean
externalDocs apiextensions/v1.ExternalDocumentation
format string
id string
items any
maxItems integer
maxLength integer
maxProperties integer
maximum number
minItems integer
minLength integer
minProperties integer
minimum number
multipleOf number
not apiextensions/v1.JSONSchemaProps
nullable boolean
oneOf []apiextensions/v1.JSONSchemaProps
pattern string
patternProperties map apiextensions/v1.JSONSchemaProps
properties map apiextensions/v1.JSONSchemaProps
required []string
title string
type string
uniqueItems boolean
x-kubernetes-embedded-resource boolean
x-kubernetes-int-or-string boolean
x-kubernetes-list-map-keys []string
x-kubernetes-list-type string
x-kubernetes-map-type string
x-kubernetes-preserve-unknown-fields boolean
x-kubernetes-validations []apiextensions/v1.ValidationRule

apiextensions/v1.SelectableField
jsonPath! string

apiextensions/v1.ServiceReference
name! string
namespace! string
path string
port integer

apiextensions/v1.ValidationRule
fieldPath string
message string
messageExpression string
optionalOldSelf boolean
reason string
rule! string

apiextensions/v1.WebhookClientConfig
caBundle bytes
service apiextensions/v1.ServiceReference
url string

apiextensions/v1.WebhookConversion
clientConfig apiextensions/v1.WebhookClientConfig
conversionReviewVersions! []string

apps/v1.ControllerRevision apps/v1 ControllerRevision
apiVersion string
data any
kind string
metadata meta/v1.ObjectMeta
revision! integer

apps/v1.DaemonSet apps/v1 DaemonSet
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec apps/v1.DaemonSetSpec
status apps/v1.DaemonSetStatus

apps/v1.DaemonSetCondition
lastTransitionTime time
message string
reason string
status! string
type! string

apps/v1.DaemonSetSpec
minReadySeconds integer
revisionHistoryLimit integer
selector! meta/v1.LabelSelector
template! core/v1.PodTemplateSpec
updateStrategy apps/v1.DaemonSetUpdateStrategy

apps/v1.DaemonSetStatus
collisionCount integer
conditions []apps/v1.DaemonSetCondition keys=type merge=type
currentNumberScheduled! integer
desiredNumberScheduled! integer
numberAvailable integer
numberMisscheduled! integer
numberReady! integer
numberUnavailable integer
observedGeneration integer
updatedNumberScheduled integer

apps/v1.DaemonSetUpdateStrategy
rollingUpdate apps/v1.RollingUpdateDaemonSet
type string

apps/v1.Deployment apps/v1 Deployment
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec apps/v1.DeploymentSpec
status apps/v1.DeploymentStatus

apps/v1.DeploymentCondition
lastTransitionTime time
lastUpdateTime time
message string
reason string
status! string
type! string

apps/v1.DeploymentSpec
minReadySeconds integer
paused boolean
progressDeadlineSeconds integer
replicas integer
revisionHistoryLimit integer
selector! meta/v1.LabelSelector
strategy apps/v1.DeploymentStrategy retain
template! core/v1.PodTemplateSpec

apps/v1.DeploymentStatus
availableReplicas integer
collisionCount integer
conditions []apps/v1.DeploymentCondition keys=type merge=type
observedGeneration integer
readyReplicas integer
replicas integer
terminatingReplicas integer
unavailableReplicas integer
updatedReplicas integer

apps/v1.DeploymentStrategy
rollingUpdate apps/v1.RollingUpdateDeployment
type string

apps/v1.ReplicaSet apps/v1 ReplicaSet
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec apps/v1.ReplicaSetSpec
status apps/v1.ReplicaSetStatus

apps/v1.ReplicaSetCondition
lastTransitionTime time
message string
reason string
status! string
type! string

apps/v1.ReplicaSetSpec
minReadySeconds integer
replicas integer
selector! meta/v1.LabelSelector
template core/v1.PodTemplateSpec

apps/v1.ReplicaSetStatus
availableReplicas integer
conditions []apps/v1.ReplicaSetCondition keys=type merge=type
fullyLabeledReplicas integer
observedGeneration integer
readyReplicas integer
replicas! integer
terminatingReplicas integer

apps/v1.RollingUpdateDaemonSet
maxSurge int-or-string
maxUnavailable int-or-string

apps/v1.RollingUpdateDeployment
maxSurge int-or-string
maxUnavailable int-or-string

apps/v1.RollingUpdateStatefulSetStrategy
maxUnavailable int-or-string
partition integer

apps/v1.StatefulSet apps/v1 StatefulSet
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec apps/v1.StatefulSetSpec
status apps/v1.StatefulSetStatus

apps/v1.StatefulSetCondition
lastTransitionTime time
message string
reason string
status! string
type! string

apps/v1.StatefulSetOrdinals
start integer

apps/v1.StatefulSetPersistentVolumeClaimRetentionPolicy
whenDeleted string
whenScaled string

apps/v1.StatefulSetSpec
minReadySeconds integer
ordinals apps/v1.StatefulSetOrdinals
persistentVolumeClaimRetentionPolicy apps/v1.StatefulSetPersistentVolumeClaimRetentionPolicy
podManagementPolicy string
replicas integer
revisionHistoryLimit integer
selector! meta/v1.LabelSelector
serviceName! string
template! core/v1.PodTemplateSpec
updateStrategy apps/v1.StatefulSetUpdateStrategy
volumeClaimTemplates []core/v1.PersistentVolumeClaim

apps/v1.StatefulSetStatus
availableReplicas integer
collisionCount integer
conditions []apps/v1.StatefulSetCondition keys=type merge=type
currentReplicas integer
currentRevision string
observedGeneration integer
readyReplicas integer
replicas! integer
updateRevision string
updatedReplicas integer

apps/v1.StatefulSetUpdateStrategy
rollingUpdate apps/v1.RollingUpdateStatefulSetStrategy
type string

authentication/v1.BoundObjectReference
apiVersion string
kind string
name string
uid string

authentication/v1.SelfSubjectReview authentication.k8s.io/v1 SelfSubjectReview
apiVersion string
kind string
metadata meta/v1.ObjectMeta
status authentication/v1.SelfSubjectReviewStatus

authentication/v1.SelfSubjectReviewStatus
userInfo authentication/v1.UserInfo

authentication/v1.TokenRequest authentication.k8s.io/v1 TokenRequest
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! authentication/v1.TokenRequestSpec
status authentication/v1.TokenRequestStatus

authentication/v1.TokenRequestSpec
audiences! []string
boundObjectRef authentication/v1.BoundObjectReference
expirationSeconds integer

authentication/v1.TokenRequestStatus
expirationTimestamp! time
token! string

authentication/v1.TokenReview authentication.k8s.io/v1 TokenReview
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! authentication/v1.TokenReviewSpec
status authentication/v1.TokenReviewStatus

authentication/v1.TokenReviewSpec
audiences []string
token string

authentication/v1.TokenReviewStatus
audiences []string
authenticated boolean
error string
user authentication/v1.UserInfo

authentication/v1.UserInfo
extra map []string
groups []string
uid string
username string

authorization/v1.LocalSubjectAccessReview authorization.k8s.io/v1 LocalSubjectAccessReview
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! authorization/v1.SubjectAccessReviewSpec
status authorization/v1.SubjectAccessReviewStatus

authorization/v1.NonResourceAttributes
path string
verb string

authorization/v1.NonResourceRule
nonResourceURLs []string
verbs! []string

authorization/v1.ResourceAttributes
group string
name string
namespace string
resource string
subresource string
verb string
version string

authorization/v1.ResourceRule
apiGroups []string
resourceNames []string

authorization/v1.SelfSubjectAccessReview authorization.k8s.io/v1 SelfSubjectAccessReview
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! authorization/v1.SelfSubjectAccessReviewSpec
status authorization/v1.SubjectAccessReviewStatus

authorization/v1.SelfSubjectAccessReviewSpec
nonResourceAttributes authorization/v1.NonResourceAttributes
resourceAttributes authorization/v1.ResourceAttributes

authorization/v1.SelfSubjectRulesReview authorization.k8s.io/v1 SelfSubjectRulesReview
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! authorization/v1.SelfSubjectRulesReviewSpec
status authorization/v1.SubjectRulesReviewStatus

authorization/v1.SelfSubjectRulesReviewSpec
namespace string

authorization/v1.SubjectAccessReview authorization.k8s.io/v1 SubjectAccessReview
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! authorization/v1.SubjectAccessReviewSpec
status authorization/v1.SubjectAccessReviewStatus

authorization/v1.SubjectAccessReviewSpec
extra map []string
groups []string
nonResourceAttributes authorization/v1.NonResourceAttributes
resourceAttributes authorization/v1.ResourceAttributes
uid string
user string

authorization/v1.SubjectAccessReviewStatus
allowed! boolean
denied boolean
evaluationError string
reason string

authorization/v1.SubjectRulesReviewStatus
evaluationError string
incomplete! boolean
nonResourceRules! []authorization/v1.NonResourceRule
resourceRules! []authorization/v1.ResourceRule

autoscaling/v1.CrossVersionObjectReference
apiVersion string
kind! string
name! string

autoscaling/v1.HorizontalPodAutoscaler autoscaling/v1 HorizontalPodAutoscaler
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec autoscaling/v1.HorizontalPodAutoscalerSpec
status autoscaling/v1.HorizontalPodAutoscalerStatus

autoscaling/v1.HorizontalPodAutoscalerSpec
maxReplicas! integer
minReplicas integer
scaleTargetRef! autoscaling/v1.CrossVersionObjectReference
targetCPUUtilizationPercentage integer

autoscaling/v1.HorizontalPodAutoscalerStatus
currentCPUUtilizationPercentage integer
currentReplicas! integer
desiredReplicas! integer
lastScaleTime time
observedGeneration integer

autoscaling/v1.Scale autoscaling/v1 Scale
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec autoscaling/v1.ScaleSpec
status autoscaling/v1.ScaleStatus

autoscaling/v1.ScaleSpec
replicas integer

autoscaling/v1.ScaleStatus
replicas! integer
selector string

autoscaling/v2.ContainerResourceMetricSource
container! string
name! string
target! autoscaling/v2.MetricTarget

autoscaling/v2.ContainerResourceMetricStatus
container! string
current! autoscaling/v2.MetricValueStatus
name! string

autoscaling/v2.CrossVersionObjectReference
apiVersion string
kind! string
name! string

autoscaling/v2.ExternalMetricSource
metric! autoscaling/v2.MetricIdentifier
target! autoscaling/v2.MetricTarget

autoscaling/v2.ExternalMetricStatus
current! autoscaling/v2.MetricValueStatus
metric! autoscaling/v2.MetricIdentifier

autoscaling/v2.HPAScalingPolicy
periodSeconds! integer
type! string
value! integer

autoscaling/v2.HPAScalingRules
policies []autoscaling/v2.HPAScalingPolicy
selectPolicy string
stabilizationWindowSeconds integer
tolerance quantity

autoscaling/v2.HorizontalPodAutoscaler autoscaling/v2 HorizontalPodAutoscaler
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec autoscaling/v2.HorizontalPodAutoscalerSpec
status autoscaling/v2.HorizontalPodAutoscalerStatus

autoscaling/v2.HorizontalPodAutoscalerBehavior
scaleDown autoscaling/v2.HPAScalingRules
scaleUp autoscaling/v2.HPAScalingRules

autoscaling/v2.HorizontalPodAutoscalerCondition
lastTransitionTime time
message string
reason string
status! string
type! string

autoscaling/v2.HorizontalPodAutoscalerSpec
behavior autoscaling/v2.HorizontalPodAutoscalerBehavior
maxReplicas! integer
metrics []autoscaling/v2.MetricSpec
minReplicas integer
scaleTargetRef! autoscaling/v2.CrossVersionObjectReference

autoscaling/v2.HorizontalPodAutoscalerStatus
conditions []autoscaling/v2.HorizontalPodAutoscalerCondition keys=type merge=type
currentMetrics []autoscaling/v2.MetricStatus
currentReplicas integer
desiredReplicas! integer
lastScaleTime time
observedGeneration integer

autoscaling/v2.MetricIdentifier
name! string
selector meta/v1.LabelSelector

autoscaling/v2.MetricSpec
containerResource autoscaling/v2.ContainerResourceMetricSource
external autoscaling/v2.ExternalMetricSource
object autoscaling/v2.ObjectMetricSource
pods autoscaling/v2.PodsMetricSource
resource autoscaling/v2.ResourceMetricSource
type! string

autoscaling/v2.MetricStatus
containerResource autoscaling/v2.ContainerResourceMetricStatus
external autoscaling/v2.ExternalMetricStatus
object autoscaling/v2.ObjectMetricStatus
pods autoscaling/v2.PodsMetricStatus
resource autoscaling/v2.ResourceMetricStatus
type! string

autoscaling/v2.MetricTarget
averageUtilization integer
averageValue quantity
type! string
value quantity

autoscaling/v2.MetricValueStatus
averageUtilization integer
averageValue quantity
value quantity

autoscaling/v2.ObjectMetricSource
describedObject! autoscaling/v2.CrossVersionObjectReference
metric! autoscaling/v2.MetricIdentifier
target! autoscaling/v2.MetricTarget

autoscaling/v2.ObjectMetricStatus
current! autoscaling/v2.MetricValueStatus
describedObject! autoscaling/v2.CrossVersionObjectReference
metric! autoscaling/v2.MetricIdentifier

autoscaling/v2.PodsMetricSource
metric! autoscaling/v2.MetricIdentifier
target! autoscaling/v2.MetricTarget

autoscaling/v2.PodsMetricStatus
current! autoscaling/v2.MetricValueStatus
metric! autoscaling/v2.MetricIdentifier

autoscaling/v2.ResourceMetricSource
name! string
target! autoscaling/v2.MetricTarget

autoscaling/v2.ResourceMetricStatus
current! autoscaling/v2.MetricValueStatus
name! string

batch/v1.CronJob batch/v1 CronJob
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec batch/v1.CronJobSpec
status batch/v1.CronJobStatus

batch/v1.CronJobSpec
concurrencyPolicy string
failedJobsHistoryLimit integer
jobTemplate! batch/v1.JobTemplateSpec
schedule! string
startingDeadlineSeconds integer
successfulJobsHistoryLimit integer
suspend boolean
timeZone string

batch/v1.CronJobStatus
active []core/v1.ObjectReference
lastScheduleTime time
lastSuccessfulTime time

batch/v1.Job batch/v1 Job
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec batch/v1.JobSpec
status batch/v1.JobStatus

batch/v1.JobCondition
lastProbeTime time
lastTransitionTime time
message string
reason string
status! string
type! string

batch/v1.JobSpec
activeDeadlineSeconds integer
backoffLimit integer
backoffLimitPerIndex integer
completionMode string
completions integer
managedBy string
manualSelector boolean
maxFailedIndexes integer
parallelism integer
podFailurePolicy batch/v1.PodFailurePolicy
podReplacementPolicy string
selector meta/v1.LabelSelector
successPolicy batch/v1.SuccessPolicy
suspend boolean
template! core/v1.PodTemplateSpec
ttlSecondsAfterFinished integer

batch/v1.JobStatus
active integer
completedIndexes string
completionTime time
conditions []batch/v1.JobCondition merge=type
failed integer
failedIndexes string
ready integer
startTime time
succeeded integer
terminating integer
uncountedTerminatedPods batch/v1.UncountedTerminatedPods

batch/v1.JobTemplateSpec
metadata meta/v1.ObjectMeta
spec batch/v1.JobSpec

batch/v1.PodFailurePolicy
rules! []batch/v1.PodFailurePolicyRule

batch/v1.PodFailurePolicyOnExitCodesRequirement
containerName string
operator! string
values! []integer

batch/v1.PodFailurePolicyOnPodConditionsPattern
status! string
type! string

batch/v1.PodFailurePolicyRule
action! string
onExitCodes batch/v1.PodFailurePolicyOnExitCodesRequirement
onPodConditions []batch/v1.PodFailurePolicyOnPodConditionsPattern

batch/v1.SuccessPolicy
rules! []batch/v1.SuccessPolicyRule

batch/v1.SuccessPolicyRule
succeededCount integer
succeededIndexes string

batch/v1.UncountedTerminatedPods
failed []string
succeeded []string

certificates/v1.CertificateSigningRequest certificates.k8s.io/v1 CertificateSigningRequest
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! certificates/v1.CertificateSigningRequestSpec
status certificates/v1.CertificateSigningRequestStatus

certificates/v1.CertificateSigningRequestCondition
lastTransitionTime time
lastUpdateTime time
message string
reason string
status! string
type! string

certificates/v1.CertificateSigningRequestSpec
expirationSeconds integer
extra map []string
groups []string
request! bytes
signerName! string
uid string
usages []string
username string

certificates/v1.CertificateSigningRequestStatus
certificate bytes
conditions []certificates/v1.CertificateSigningRequestCondition keys=type

coordination/v1.Lease coordination.k8s.io/v1 Lease
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec coordination/v1.LeaseSpec

coordination/v1.LeaseSpec
acquireTime micro-time
holderIdentity string
leaseDurationSeconds integer
leaseTransitions integer
preferredHolder string
renewTime micro-time
strategy string

core/v1.AWSElasticBlockStoreVolumeSource
fsType string
partition integer
readOnly boolean
volumeID! string

core/v1.Affinity
nodeAffinity core/v1.NodeAffinity
podAffinity core/v1.PodAffinity
podAntiAffinity core/v1.PodAntiAffinity

core/v1.AppArmorProfile
localhostProfile string
type! string

core/v1.AttachedVolume
devicePath! string
name! string

core/v1.AzureDiskVolumeSource
cachingMode string
diskName! string
diskURI! string
fsType string
kind string
readOnly boolean

core/v1.AzureFilePersistentVolumeSource
readOnly boolean
secretName! string
secretNamespace string
shareName! string

core/v1.AzureFileVolumeSource
readOnly boolean
secretName! string
shareName! string

core/v1.Binding v1 Binding
apiVersion string
kind string
metadata meta/v1.ObjectMeta
target! core/v1.ObjectReference

core/v1.CSIPersistentVolumeSource
controllerExpandSecretRef core/v1.SecretReference
controllerPublishSecretRef core/v1.SecretReference
driver! string
fsType string
nodeExpandSecretRef core/v1.SecretReference
nodePublishSecretRef core/v1.SecretReference
nodeStageSecretRef core/v1.SecretReference
readOnly boolean
volumeAttributes map string
volumeHandle! string

core/v1.CSIVolumeSource
driver! string
fsType string
nodePublishSecretRef core/v1.LocalObjectReference
readOnly boolean
volumeAttributes map string

core/v1.Capabilities
add []string
drop []string

core/v1.CephFSPersistentVolumeSource
monitors! []string
path string
readOnly boolean
secretFile string
secretRef core/v1.SecretReference
user string

core/v1.CephFSVolumeSource
monitors! []string
path string
readOnly boolean
secretFile string
secretRef core/v1.LocalObjectReference
user string

core/v1.CinderPersistentVolumeSource
fsType string
readOnly boolean
secretRef core/v1.SecretReference
volumeID! string

core/v1.CinderVolumeSource
fsType string
readOnly boolean
secretRef core/v1.LocalObjectReference
volumeID! string

core/v1.ClaimSource
resourceClaimName string
resourceClaimTemplateName string

core/v1.ClientIPConfig
timeoutSeconds integer

core/v1.ClusterTrustBundleProjection
labelSelector meta/v1.LabelSelector
name string
optional boolean
path! string
signerName string

core/v1.ComponentCondition
error string
message string
status! string
type! string

core/v1.ComponentStatus v1 ComponentStatus
apiVersion string
conditions []core/v1.ComponentCondition
kind string
metadata meta/v1.ObjectMeta

core/v1.ConfigMap v1 ConfigMap
apiVersion string
binaryData map bytes
data map string
immutable boolean
kind string
metadata meta/v1.ObjectMeta

core/v1.ConfigMapEnvSource
name string
optional boolean

core/v1.ConfigMapKeySelector atomic
key! string
name string
optional boolean

core/v1.ConfigMapNodeConfigSource
kubeletConfigKey! string
name! string
namespace! string
resourceVersion string
uid string

core/v1.ConfigMapProjection
items []core/v1.KeyToPath
name string
optional boolean

core/v1.ConfigMapVolumeSource
defaultMode integer
items []core/v1.KeyToPath
name string
optional boolean

core/v1.Container
args []string
command []string
env []core/v1.EnvVar keys=name merge=name
envFrom []core/v1.EnvFromSource
image string
imagePullPolicy string
lifecycle core/v1.Lifecycle
livenessProbe core/v1.Probe
name! string
ports []core/v1.ContainerPort keys=containerPort,protocol merge=containerPort
readinessProbe core/v1.Probe
resizePolicy []core/v1.ContainerResizePolicy
resources core/v1.ResourceRequirements
restartPolicy string
restartPolicyRules []core/v1.ContainerRestartRule
securityContext core/v1.SecurityContext
startupProbe core/v1.Probe
stdin boolean
stdinOnce boolean
terminationMessagePath string
terminationMessagePolicy string
tty boolean
volumeDevices []core/v1.VolumeDevice keys=devicePath merge=devicePath
volumeMounts []core/v1.VolumeMount keys=mountPath merge=mountPath
workingDir string

core/v1.ContainerImage
names []string
sizeBytes integer

core/v1.ContainerPort
containerPort! integer
hostIP string
hostPort integer
name string
protocol string

core/v1.ContainerResizePolicy
resourceName! string
restartPolicy! string

core/v1.ContainerRestartRule
action string
exitCodes core/v1.ContainerRestartRuleOnExitCodes

core/v1.ContainerRestartRuleOnExitCodes
operator string
values []integer

core/v1.ContainerState
running core/v1.ContainerStateRunning
terminated core/v1.ContainerStateTerminated
waiting core/v1.ContainerStateWaiting

core/v1.ContainerStateRunning
startedAt time

core/v1.ContainerStateTerminated
containerID string
exitCode! integer
finishedAt time
message string
reason string
signal integer
startedAt time

core/v1.ContainerStateWaiting
message string
reason string

core/v1.ContainerStatus
allocatedResources map quantity
containerID string
image! string
imageID! string
lastState core/v1.ContainerState
name! string
ready! boolean
resources core/v1.ResourceRequirements
restartCount! integer
started boolean
state core/v1.ContainerState
stopSignal string
user core/v1.ContainerUser
volumeMounts []core/v1.VolumeMountStatus keys=mountPath merge=mountPath

core/v1.ContainerUser
linux core/v1.LinuxContainerUser

core/v1.DaemonEndpoint
Port! integer

core/v1.DownwardAPIProjection
items []core/v1.DownwardAPIVolumeFile

core/v1.DownwardAPIVolumeFile
fieldRef core/v1.ObjectFieldSelector
mode integer
path! string
resourceFieldRef core/v1.ResourceFieldSelector

core/v1.DownwardAPIVolumeSource
defaultMode integer
items []core/v1.DownwardAPIVolumeFile

core/v1.EmptyDirVolumeSource
medium string
sizeLimit quantity

core/v1.EndpointAddress
hostname string
ip! string
nodeName string
targetRef core/v1.ObjectReference

core/v1.EndpointPort
appProtocol string
name string
port! integer
protocol string

core/v1.EndpointSubset
addresses []core/v1.EndpointAddress
notReadyAddresses []core/v1.EndpointAddress
ports []core/v1.EndpointPort

core/v1.Endpoints v1 Endpoints
apiVersion string
kind string
metadata meta/v1.ObjectMeta
subsets []core/v1.EndpointSubset

core/v1.EnvFromSource
configMapRef core/v1.ConfigMapEnvSource
prefix string
secretRef core/v1.SecretEnvSource

core/v1.EnvVar
name! string
value string
valueFrom core/v1.EnvVarSource

core/v1.EnvVarSource
configMapKeyRef core/v1.ConfigMapKeySelector
fieldRef core/v1.ObjectFieldSelector
resourceFieldRef core/v1.ResourceFieldSelector
secretKeyRef core/v1.SecretKeySelector

core/v1.EphemeralContainer
args []string
command []string
env []core/v1.EnvVar keys=name merge=name
envFrom []core/v1.EnvFromSource
image string
imagePullPolicy string
lifecycle core/v1.Lifecycle
livenessProbe core/v1.Probe
name! string
ports []core/v1.ContainerPort keys=containerPort,protocol merge=containerPort
readinessProbe core/v1.Probe
resizePolicy []core/v1.ContainerResizePolicy
resources core/v1.ResourceRequirements
restartPolicy string
restartPolicyRules []core/v1.ContainerRestartRule
securityContext core/v1.SecurityContext
startupProbe core/v1.Probe
stdin boolean
stdinOnce boolean
targetContainerName string
terminationMessagePath string
terminationMessagePolicy string
tty boolean
volumeDevices []core/v1.VolumeDevice keys=devicePath merge=devicePath
volumeMounts []core/v1.VolumeMount keys=mountPath merge=mountPath
workingDir string

core/v1.EphemeralVolumeSource
volumeClaimTemplate core/v1.PersistentVolumeClaimTemplate

core/v1.Event v1 Event
action string
apiVersion string
count integer
eventTime micro-time
firstTimestamp time
involvedObject! core/v1.ObjectReference
kind string
lastTimestamp time
message string
metadata! meta/v1.ObjectMeta
reason string
related core/v1.ObjectReference
reportingComponent string
reportingInstance string
series core/v1.EventSeries
source core/v1.EventSource
type string

core/v1.EventSeries
count integer
lastObservedTime micro-time

core/v1.EventSource
component string
host string

core/v1.ExecAction
command []string

core/v1.FCVolumeSource
fsType string
lun integer
readOnly boolean
targetWWNs []string
wwids []string

core/v1.FlexPersistentVolumeSource
driver! string
fsType string
options map string
readOnly boolean
secretRef core/v1.SecretReference

core/v1.FlexVolumeSource
driver! string
fsType string
options map string
readOnly boolean
secretRef core/v1.LocalObjectReference

core/v1.FlockerVolumeSource
datasetName string
datasetUUID string

core/v1.GCEPersistentDiskVolumeSource
fsType string
partition integer
pdName! string
readOnly boolean

core/v1.GRPCAction
port! integer
service string

core/v1.GitRepoVolumeSource
directory string
repository! string
revision string

core/v1.GlusterfsPersistentVolumeSource
endpoints! string
endpointsNamespace string
path! string
readOnly boolean

core/v1.GlusterfsVolumeSource
endpoints! string
path! string
readOnly boolean

core/v1.HTTPGetAction
host string
httpHeaders []core/v1.HTTPHeader
path string
port! int-or-string
scheme string

core/v1.HTTPHeader
name! string
value! string

core/v1.HostAlias
hostnames []string
ip string

core/v1.HostIP
ip string

core/v1.HostPathVolumeSource
path! string
type string

core/v1.ISCSIPersistentVolumeSource
chapAuthDiscovery boolean
chapAuthSession boolean
fsType string
initiatorName string
iqn! string
iscsiInterface string
lun! integer
portals []string
readOnly boolean
secretRef core/v1.SecretReference
targetPortal! string

core/v1.ISCSIVolumeSource
chapAuthDiscovery boolean
chapAuthSession boolean
fsType string
initiatorName string
iqn! string
iscsiInterface string
lun! integer
portals []string
readOnly boolean
secretRef core/v1.LocalObjectReference
targetPortal! string

core/v1.ImageVolumeSource
pullPolicy string
reference string

core/v1.KeyToPath
key! string
mode integer
path! string

core/v1.Lifecycle
postStart core/v1.LifecycleHandler
preStop core/v1.LifecycleHandler
stopSignal string

core/v1.LifecycleHandler
exec core/v1.ExecAction
httpGet core/v1.HTTPGetAction
sleep core/v1.SleepAction
tcpSocket core/v1.TCPSocketAction

core/v1.LimitRange v1 LimitRange
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.LimitRangeSpec

core/v1.LimitRangeItem
default map quantity
defaultRequest map quantity
max map quantity
maxLimitRequestRatio map quantity
min map quantity
type! string

core/v1.LimitRangeSpec
limits! []core/v1.LimitRangeItem

core/v1.LinuxContainerUser
gid integer
supplementalGroups []integer
uid integer

core/v1.LoadBalancerIngress
hostname string
ip string
ipMode string
ports []core/v1.PortStatus

core/v1.LoadBalancerStatus
ingress []core/v1.LoadBalancerIngress

core/v1.LocalObjectReference atomic
name string

core/v1.LocalVolumeSource
fsType string
path! string

core/v1.ModifyVolumeStatus
status! string
targetVolumeAttributesClassName string

core/v1.NFSVolumeSource
path! string
readOnly boolean
server! string

core/v1.Namespace v1 Namespace
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.NamespaceSpec
status core/v1.NamespaceStatus

core/v1.NamespaceCondition
lastTransitionTime time
message string
reason string
status! string
type! string

core/v1.NamespaceSpec
finalizers []string

core/v1.NamespaceStatus
conditions []core/v1.NamespaceCondition keys=type merge=type
phase string

core/v1.Node v1 Node
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.NodeSpec
status core/v1.NodeStatus

core/v1.NodeAddress
address! string
type! string

core/v1.NodeAffinity
preferredDuringSchedulingIgnoredDuringExecution []core/v1.PreferredSchedulingTerm
requiredDuringSchedulingIgnoredDuringExecution core/v1.NodeSelector

core/v1.NodeCondition
lastHeartbeatTime time
lastTransitionTime time
message string
reason string
status! string
type! string

core/v1.NodeConfigSource
configMap core/v1.ConfigMapNodeConfigSource

core/v1.NodeConfigStatus
active core/v1.NodeConfigSource
assigned core/v1.NodeConfigSource
error string
lastKnownGood core/v1.NodeConfigSource

core/v1.NodeDaemonEndpoints
kubeletEndpoint core/v1.DaemonEndpoint

core/v1.NodeFeatures
supplementalGroupsPolicy boolean

core/v1.NodeRuntimeHandler
features core/v1.NodeRuntimeHandlerFeatures
name string

core/v1.NodeRuntimeHandlerFeatures
recursiveReadOnlyMounts boolean

core/v1.NodeSelector atomic
nodeSelectorTerms! []core/v1.NodeSelectorTerm

core/v1.NodeSelectorRequirement
key! string
operator! string
values []string

core/v1.NodeSelectorTerm atomic
matchExpressions []core/v1.NodeSelectorRequirement
matchFields []core/v1.NodeSelectorRequirement

core/v1.NodeSpec
configSource core/v1.NodeConfigSource
externalID string
podCIDR string
podCIDRs []string set merge=
providerID string
taints []core/v1.Taint
unschedulable boolean

core/v1.NodeStatus
addresses []core/v1.NodeAddress keys=type merge=type
allocatable map quantity
capacity map quantity
conditions []core/v1.NodeCondition keys=type merge=type
config core/v1.NodeConfigStatus
daemonEndpoints core/v1.NodeDaemonEndpoints
features core/v1.NodeFeatures
images []core/v1.ContainerImage
nodeInfo core/v1.NodeSystemInfo
phase string
runtimeHandlers []core/v1.NodeRuntimeHandler
volumesAttached []core/v1.AttachedVolume
volumesInUse []string

core/v1.NodeSystemInfo
architecture! string
bootID! string
containerRuntimeVersion! string
kernelVersion! string
kubeProxyVersion! string
kubeletVersion! string
machineID! string
operatingSystem! string
osImage! string
systemUUID! string

core/v1.ObjectFieldSelector atomic
apiVersion string
fieldPath! string

core/v1.ObjectReference atomic
apiVersion string
fieldPath string
kind string
name string
namespace string
resourceVersion string
uid string

core/v1.PersistentVolume v1 PersistentVolume
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.PersistentVolumeSpec
status core/v1.PersistentVolumeStatus

core/v1.PersistentVolumeClaim v1 PersistentVolumeClaim
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.PersistentVolumeClaimSpec
status core/v1.PersistentVolumeClaimStatus

core/v1.PersistentVolumeClaimCondition
lastProbeTime time
lastTransitionTime time
message string
reason string
status! string
type! string

core/v1.PersistentVolumeClaimSpec
accessModes []string
dataSource core/v1.TypedLocalObjectReference
dataSourceRef core/v1.TypedObjectReference
resources core/v1.VolumeResourceRequirements
selector meta/v1.LabelSelector
storageClassName string
volumeAttributesClassName string
volumeMode string
volumeName string

core/v1.PersistentVolumeClaimStatus
accessModes []string
allocatedResourceStatuses map string
allocatedResources map quantity
capacity map quantity
conditions []core/v1.PersistentVolumeClaimCondition keys=type merge=type
currentVolumeAttributesClassName string
modifyVolumeStatus core/v1.ModifyVolumeStatus
phase string

core/v1.PersistentVolumeClaimTemplate
metadata meta/v1.ObjectMeta
spec! core/v1.PersistentVolumeClaimSpec

core/v1.PersistentVolumeClaimVolumeSource
claimName! string
readOnly boolean

core/v1.PersistentVolumeSpec
accessModes []string
awsElasticBlockStore core/v1.AWSElasticBlockStoreVolumeSource
azureDisk core/v1.AzureDiskVolumeSource
azureFile core/v1.AzureFilePersistentVolumeSource
capacity map quantity
cephfs core/v1.CephFSPersistentVolumeSource
cinder core/v1.CinderPersistentVolumeSource
claimRef core/v1.ObjectReference
csi core/v1.CSIPersistentVolumeSource
fc core/v1.FCVolumeSource
flexVolume core/v1.FlexPersistentVolumeSource
flocker core/v1.FlockerVolumeSource
gcePersistentDisk core/v1.GCEPersistentDiskVolumeSource
glusterfs core/v1.GlusterfsPersistentVolumeSource
hostPath core/v1.HostPathVolumeSource
iscsi core/v1.ISCSIPersistentVolumeSource
local core/v1.LocalVolumeSource
mountOptions []string
nfs core/v1.NFSVolumeSource
nodeAffinity core/v1.VolumeNodeAffinity
persistentVolumeReclaimPolicy string
photonPersistentDisk core/v1.PhotonPersistentDiskVolumeSource
portworxVolume core/v1.PortworxVolumeSource
quobyte core/v1.QuobyteVolumeSource
rbd core/v1.RBDPersistentVolumeSource
scaleIO core/v1.ScaleIOPersistentVolumeSource
storageClassName string
storageos core/v1.StorageOSPersistentVolumeSource
volumeAttributesClassName string
volumeMode string
vsphereVolume core/v1.VsphereVirtualDiskVolumeSource

core/v1.PersistentVolumeStatus
lastPhaseTransitionTime time
message string
phase string
reason string

core/v1.PhotonPersistentDiskVolumeSource
fsType string
pdID! string

core/v1.Pod v1 Pod
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.PodSpec
status core/v1.PodStatus

core/v1.PodAffinity
preferredDuringSchedulingIgnoredDuringExecution []core/v1.WeightedPodAffinityTerm
requiredDuringSchedulingIgnoredDuringExecution []core/v1.PodAffinityTerm

core/v1.PodAffinityTerm
labelSelector meta/v1.LabelSelector
matchLabelKeys []string
mismatchLabelKeys []string
namespaceSelector meta/v1.LabelSelector
namespaces []string
topologyKey! string

core/v1.PodAntiAffinity
preferredDuringSchedulingIgnoredDuringExecution []core/v1.WeightedPodAffinityTerm
requiredDuringSchedulingIgnoredDuringExecution []core/v1.PodAffinityTerm

core/v1.PodCondition
lastProbeTime time
lastTransitionTime time
message string
observedGeneration integer
reason string
status! string
type! string

core/v1.PodDNSConfig
nameservers []string
options []core/v1.PodDNSConfigOption
searches []string

core/v1.PodDNSConfigOption
name string
value string

core/v1.PodIP
ip string

core/v1.PodOS
name! string

core/v1.PodReadinessGate
conditionType! string

core/v1.PodResourceClaim
name! string
source core/v1.ClaimSource

core/v1.PodResourceClaimStatus
name! string
resourceClaimName string

core/v1.PodSchedulingGate
name! string

core/v1.PodSecurityContext
appArmorProfile core/v1.AppArmorProfile
fsGroup integer
fsGroupChangePolicy string
runAsGroup integer
runAsNonRoot boolean
runAsUser integer
seLinuxChangePolicy string
seLinuxOptions core/v1.SELinuxOptions
seccompProfile core/v1.SeccompProfile
supplementalGroups []integer
supplementalGroupsPolicy string
sysctls []core/v1.Sysctl
windowsOptions core/v1.WindowsSecurityContextOptions

core/v1.PodSpec
activeDeadlineSeconds integer
affinity core/v1.Affinity
automountServiceAccountToken boolean
containers! []core/v1.Container keys=name merge=name
dnsConfig core/v1.PodDNSConfig
dnsPolicy string
enableServiceLinks boolean
ephemeralContainers []core/v1.EphemeralContainer keys=name merge=name
hostAliases []core/v1.HostAlias keys=ip merge=ip
hostIPC boolean
hostNetwork boolean
hostPID boolean
hostUsers boolean
hostname string
hostnameOverride string
imagePullSecrets []core/v1.LocalObjectReference keys=name merge=name
initContainers []core/v1.Container keys=name merge=name
nodeName string
nodeSelector map string atomic
os core/v1.PodOS
overhead map quantity
preemptionPolicy string
priority integer
priorityClassName string
readinessGates []core/v1.PodReadinessGate
resourceClaims []core/v1.PodResourceClaim keys=name merge=name retain
resources core/v1.ResourceRequirements
restartPolicy string
runtimeClassName string
schedulerName string
schedulingGates []core/v1.PodSchedulingGate keys=name merge=name
securityContext core/v1.PodSecurityContext
serviceAccount string
serviceAccountName string
setHostnameAsFQDN boolean
shareProcessNamespace boolean
subdomain string
terminationGracePeriodSeconds integer
tolerations []core/v1.Toleration
topologySpreadConstraints []core/v1.TopologySpreadConstraint keys=topologyKey,whenUnsatisfiable merge=topologyKey
volumes []core/v1.Volume keys=name merge=name retain

core/v1.PodStatus
conditions []core/v1.PodCondition keys=type merge=type
containerStatuses []core/v1.ContainerStatus
ephemeralContainerStatuses []core/v1.ContainerStatus
hostIP string
hostIPs []core/v1.HostIP merge=ip
initContainerStatuses []core/v1.ContainerStatus
message string
nominatedNodeName string
observedGeneration integer
phase string
podIP string
podIPs []core/v1.PodIP keys=ip merge=ip
qosClass string
reason string
resize string
resourceClaimStatuses []core/v1.PodResourceClaimStatus keys=name merge=name retain
startTime time

core/v1.PodTemplate v1 PodTemplate
apiVersion string
kind string
metadata meta/v1.ObjectMeta
template core/v1.PodTemplateSpec

core/v1.PodTemplateSpec
metadata meta/v1.ObjectMeta
spec core/v1.PodSpec

core/v1.PortStatus
error string
port! integer
protocol! string

core/v1.PortworxVolumeSource
fsType string
readOnly boolean
volumeID! string

core/v1.PreferredSchedulingTerm
preference! core/v1.NodeSelectorTerm
weight! integer

core/v1.Probe
exec core/v1.ExecAction
failureThreshold integer
grpc core/v1.GRPCAction
httpGet core/v1.HTTPGetAction
initialDelaySeconds integer
periodSeconds integer
successThreshold integer
tcpSocket core/v1.TCPSocketAction
terminationGracePeriodSeconds integer
timeoutSeconds integer

core/v1.ProjectedVolumeSource
defaultMode integer
sources []core/v1.VolumeProjection

core/v1.QuobyteVolumeSource
group string
readOnly boolean
registry! string
tenant string
user string
volume! string

core/v1.RBDPersistentVolumeSource
fsType string
image! string
keyring string
monitors! []string
pool string
readOnly boolean
secretRef core/v1.SecretReference
user string

core/v1.RBDVolumeSource
fsType string
image! string
keyring string
monitors! []string
pool string
readOnly boolean
secretRef core/v1.LocalObjectReference
user string

core/v1.ReplicationController v1 ReplicationController
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.ReplicationControllerSpec
status core/v1.ReplicationControllerStatus

core/v1.ReplicationControllerCondition
lastTransitionTime time
message string
reason string
status! string
type! string

core/v1.ReplicationControllerSpec
minReadySeconds integer
replicas integer
selector map string atomic
template core/v1.PodTemplateSpec

core/v1.ReplicationControllerStatus
availableReplicas integer
conditions []core/v1.ReplicationControllerCondition keys=type merge=type
fullyLabeledReplicas integer
observedGeneration integer
readyReplicas integer
replicas! integer

core/v1.ResourceClaim
name! string
request string

core/v1.ResourceFieldSelector atomic
containerName string
divisor quantity
resource! string

core/v1.ResourceQuota v1 ResourceQuota
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.ResourceQuotaSpec
status core/v1.ResourceQuotaStatus

core/v1.ResourceQuotaSpec
hard map quantity
scopeSelector core/v1.ScopeSelector
scopes []string

core/v1.ResourceQuotaStatus
hard map quantity
used map quantity

core/v1.ResourceRequirements
claims []core/v1.ResourceClaim keys=name
limits map quantity
requests map quantity

core/v1.SELinuxOptions
level string
role string
type string
user string

core/v1.ScaleIOPersistentVolumeSource
fsType string
gateway! string
protectionDomain string
readOnly boolean
secretRef! core/v1.SecretReference
sslEnabled boolean
storageMode string
storagePool string
system! string
volumeName string

core/v1.ScaleIOVolumeSource
fsType string
gateway! string
protectionDomain string
readOnly boolean
secretRef! core/v1.LocalObjectReference
sslEnabled boolean
storageMode string
storagePool string
system! string
volumeName string

core/v1.ScopeSelector atomic
matchExpressions []core/v1.ScopedResourceSelectorRequirement

core/v1.ScopedResourceSelectorRequirement
operator! string
scopeName! string
values []string

core/v1.SeccompProfile
localhostProfile string
type! string

core/v1.Secret v1 Secret
apiVersion string
data map bytes
immutable boolean
kind string
metadata meta/v1.ObjectMeta
stringData map string
type string

core/v1.SecretEnvSource
name string
optional boolean

core/v1.SecretKeySelector atomic
key! string
name string
optional boolean

core/v1.SecretProjection
items []core/v1.KeyToPath
name string
optional boolean

core/v1.SecretReference atomic
name string
namespace string

core/v1.SecretVolumeSource
defaultMode integer
items []core/v1.KeyToPath
optional boolean
secretName string

core/v1.SecurityContext
allowPrivilegeEscalation boolean
appArmorProfile core/v1.AppArmorProfile
capabilities core/v1.Capabilities
privileged boolean
procMount string
readOnlyRootFilesystem boolean
runAsGroup integer
runAsNonRoot boolean
runAsUser integer
seLinuxOptions core/v1.SELinuxOptions
seccompProfile core/v1.SeccompProfile
windowsOptions core/v1.WindowsSecurityContextOptions

core/v1.Service v1 Service
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec core/v1.ServiceSpec
status core/v1.ServiceStatus

core/v1.ServiceAccount v1 ServiceAccount
apiVersion string
automountServiceAccountToken boolean
imagePullSecrets []core/v1.LocalObjectReference
kind string
metadata meta/v1.ObjectMeta
secrets []core/v1.ObjectReference keys=name merge=name

core/v1.ServiceAccountTokenProjection
audience string
expirationSeconds integer
path! string

core/v1.ServicePort
appProtocol string
name string
nodePort integer
port! integer
protocol string
targetPort int-or-string

core/v1.ServiceSpec
allocateLoadBalancerNodePorts boolean
clusterIP string
clusterIPs []string
externalIPs []string
externalName string
externalTrafficPolicy string
healthCheckNodePort integer
internalTrafficPolicy string
ipFamilies []string
ipFamilyPolicy string
loadBalancerClass string
loadBalancerIP string
loadBalancerSourceRanges []string
ports []core/v1.ServicePort keys=port,protocol merge=port
publishNotReadyAddresses boolean
selector map string atomic
sessionAffinity string
sessionAffinityConfig core/v1.SessionAffinityConfig
trafficDistribution string
type string

core/v1.ServiceStatus
conditions []meta/v1.Condition keys=type merge=type
loadBalancer core/v1.LoadBalancerStatus

core/v1.SessionAffinityConfig
clientIP core/v1.ClientIPConfig

core/v1.SleepAction
seconds! integer

core/v1.StorageOSPersistentVolumeSource
fsType string
readOnly boolean
secretRef core/v1.ObjectReference
volumeName string
volumeNamespace string

core/v1.StorageOSVolumeSource
fsType string
readOnly boolean
secretRef core/v1.LocalObjectReference
volumeName string
volumeNamespace string

core/v1.Sysctl
name! string
value! string

core/v1.TCPSocketAction
host string
port! int-or-string

core/v1.Taint
effect! string
key! string
timeAdded time
value string

core/v1.Toleration
effect string
key string
operator string
tolerationSeconds integer
value string

core/v1.TopologySelectorLabelRequirement
key! string
values! []string

core/v1.TopologySelectorTerm atomic
matchLabelExpressions []core/v1.TopologySelectorLabelRequirement

core/v1.TopologySpreadConstraint
labelSelector meta/v1.LabelSelector
matchLabelKeys []string
maxSkew! integer
minDomains integer
nodeAffinityPolicy string
nodeTaintsPolicy string
topologyKey! string
whenUnsatisfiable! string

core/v1.TypedLocalObjectReference atomic
apiGroup string
kind! string
name! string

core/v1.TypedObjectReference
apiGroup string
kind! string
name! string
namespace string

core/v1.Volume
awsElasticBlockStore core/v1.AWSElasticBlockStoreVolumeSource
azureDisk core/v1.AzureDiskVolumeSource
azureFile core/v1.AzureFileVolumeSource
cephfs core/v1.CephFSVolumeSource
cinder core/v1.CinderVolumeSource
configMap core/v1.ConfigMapVolumeSource
csi core/v1.CSIVolumeSource
downwardAPI core/v1.DownwardAPIVolumeSource
emptyDir core/v1.EmptyDirVolumeSource
ephemeral core/v1.EphemeralVolumeSource
fc core/v1.FCVolumeSource
flexVolume core/v1.FlexVolumeSource
flocker core/v1.FlockerVolumeSource
gcePersistentDisk core/v1.GCEPersistentDiskVolumeSource
gitRepo core/v1.GitRepoVolumeSource
glusterfs core/v1.GlusterfsVolumeSource
hostPath core/v1.HostPathVolumeSource
image core/v1.ImageVolumeSource
iscsi core/v1.ISCSIVolumeSource
name! string
nfs core/v1.NFSVolumeSource
persistentVolumeClaim core/v1.PersistentVolumeClaimVolumeSource
photonPersistentDisk core/v1.PhotonPersistentDiskVolumeSource
portworxVolume core/v1.PortworxVolumeSource
projected core/v1.ProjectedVolumeSource
quobyte core/v1.QuobyteVolumeSource
rbd core/v1.RBDVolumeSource
scaleIO core/v1.ScaleIOVolumeSource
secret core/v1.SecretVolumeSource
storageos core/v1.StorageOSVolumeSource
vsphereVolume core/v1.VsphereVirtualDiskVolumeSource

core/v1.VolumeDevice
devicePath! string
name! string

core/v1.VolumeMount
mountPath! string
mountPropagation string
name! string
readOnly boolean
recursiveReadOnly string
subPath string
subPathExpr string

core/v1.VolumeMountStatus
mountPath! string
name! string
readOnly boolean
recursiveReadOnly string

core/v1.VolumeNodeAffinity
required core/v1.NodeSelector

core/v1.VolumeProjection
clusterTrustBundle core/v1.ClusterTrustBundleProjection
configMap core/v1.ConfigMapProjection
downwardAPI core/v1.DownwardAPIProjection
secret core/v1.SecretProjection
serviceAccountToken core/v1.ServiceAccountTokenProjection

core/v1.VolumeResourceRequirements
limits map quantity
requests map quantity

core/v1.VsphereVirtualDiskVolumeSource
fsType string
storagePolicyID string
storagePolicyName string
volumePath! string

core/v1.WeightedPodAffinityTerm
podAffinityTerm! core/v1.PodAffinityTerm
weight! integer

core/v1.WindowsSecurityContextOptions
gmsaCredentialSpec string
gmsaCredentialSpecName string
hostProcess boolean
runAsUserName string

discovery/v1.Endpoint
addresses! []string set
conditions discovery/v1.EndpointConditions
deprecatedTopology map string
hints discovery/v1.EndpointHints
hostname string
nodeName string
targetRef core/v1.ObjectReference
zone string

discovery/v1.EndpointConditions
ready boolean
serving boolean
terminating boolean

discovery/v1.EndpointHints
forNodes []discovery/v1.ForNode
forZones []discovery/v1.ForZone

discovery/v1.EndpointPort
appProtocol string
name string
port integer
protocol string

discovery/v1.EndpointSlice discovery.k8s.io/v1 EndpointSlice
addressType! string
apiVersion string
endpoints! []discovery/v1.Endpoint
kind string
metadata meta/v1.ObjectMeta
ports []discovery/v1.EndpointPort

discovery/v1.ForNode
name! string

discovery/v1.ForZone
name! string

events/v1.Event events.k8s.io/v1 Event
action string
apiVersion string
deprecatedCount integer
deprecatedFirstTimestamp time
deprecatedLastTimestamp time
deprecatedSource core/v1.EventSource
eventTime! micro-time
kind string
metadata meta/v1.ObjectMeta
note string
reason string
regarding core/v1.ObjectReference
related core/v1.ObjectReference
reportingController string
reportingInstance string
series events/v1.EventSeries
type string

events/v1.EventSeries
count! integer
lastObservedTime! micro-time

meta/v1.APIGroup v1 APIGroup
apiVersion string
kind string
name! string
preferredVersion meta/v1.GroupVersionForDiscovery
serverAddressByClientCIDRs []meta/v1.ServerAddressByClientCIDR
versions! []meta/v1.GroupVersionForDiscovery

meta/v1.APIGroupList v1 APIGroupList
apiVersion string
groups! []meta/v1.APIGroup
kind string

meta/v1.APIResource
categories []string
group string
kind! string
name! string
namespaced! boolean
shortNames []string
singularName! string
storageVersionHash string
verbs! []string
version string

meta/v1.APIResourceList v1 APIResourceList
apiVersion string
groupVersion! string
kind string
resources! []meta/v1.APIResource

meta/v1.APIVersions v1 APIVersions
apiVersion string
kind string
serverAddressByClientCIDRs! []meta/v1.ServerAddressByClientCIDR
versions! []string

meta/v1.Condition
lastTransitionTime! time
message! string
observedGeneration integer
reason! string
status! string
type! string

meta/v1.DeleteOptions
apiVersion string
dryRun []string
gracePeriodSeconds integer
ignoreStoreReadErrorWithClusterBreakingPotential boolean
kind string
orphanDependents boolean
preconditions meta/v1.Preconditions
propagationPolicy string

meta/v1.GroupVersionForDiscovery
groupVersion! string
version! string

meta/v1.LabelSelector atomic
matchExpressions []meta/v1.LabelSelectorRequirement
matchLabels map string

meta/v1.LabelSelectorRequirement
key! string
operator! string
values []string

meta/v1.ListMeta
continue string
remainingItemCount integer
resourceVersion string
selfLink string

meta/v1.ManagedFieldsEntry
apiVersion string
fieldsType string
fieldsV1 any
manager string
operation string
subresource string
time time

meta/v1.ObjectMeta
annotations map string
creationTimestamp time
deletionGracePeriodSeconds integer
deletionTimestamp time
finalizers []string set merge=
generateName string
generation integer
labels map string
managedFields []meta/v1.ManagedFieldsEntry
name string
namespace string
ownerReferences []meta/v1.OwnerReference keys=uid merge=uid
resourceVersion string
selfLink string
uid string

meta/v1.OwnerReference
apiVersion! string
blockOwnerDeletion boolean
controller boolean
kind! string
name! string
uid! string

meta/v1.Patch

meta/v1.Preconditions
resourceVersion string
uid string

meta/v1.ServerAddressByClientCIDR
clientCIDR! string
serverAddress! string

meta/v1.Status
apiVersion string
code integer
details meta/v1.StatusDetails
kind string
message string
metadata meta/v1.ListMeta
reason string
status string

meta/v1.StatusCause
field string
message string
reason string

meta/v1.StatusDetails
causes []meta/v1.StatusCause
group string
kind string
name string
retryAfterSeconds integer
uid string

networking/v1.HTTPIngressPath
backend! networking/v1.IngressBackend
path string
pathType! string

networking/v1.HTTPIngressRuleValue
paths! []networking/v1.HTTPIngressPath

networking/v1.IPAddress networking.k8s.io/v1 IPAddress
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec networking/v1.IPAddressSpec

networking/v1.IPAddressSpec
parentRef! networking/v1.ParentReference

networking/v1.IPBlock
cidr! string
except []string

networking/v1.Ingress networking.k8s.io/v1 Ingress
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec networking/v1.IngressSpec
status networking/v1.IngressStatus

networking/v1.IngressBackend
resource core/v1.TypedLocalObjectReference
service networking/v1.IngressServiceBackend

networking/v1.IngressClass networking.k8s.io/v1 IngressClass
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec networking/v1.IngressClassSpec

networking/v1.IngressClassParametersReference
apiGroup string
kind! string
name! string
namespace string
scope string

networking/v1.IngressClassSpec
controller string
parameters networking/v1.IngressClassParametersReference

networking/v1.IngressLoadBalancerIngress
hostname string
ip string
ports []networking/v1.IngressPortStatus

networking/v1.IngressLoadBalancerStatus
ingress []networking/v1.IngressLoadBalancerIngress

networking/v1.IngressPortStatus
error string
port! integer
protocol! string

networking/v1.IngressRule
host string
http networking/v1.HTTPIngressRuleValue

networking/v1.IngressServiceBackend
name! string
port networking/v1.ServiceBackendPort

networking/v1.IngressSpec
defaultBackend networking/v1.IngressBackend
ingressClassName string
rules []networking/v1.IngressRule
tls []networking/v1.IngressTLS

networking/v1.IngressStatus
loadBalancer networking/v1.IngressLoadBalancerStatus

networking/v1.IngressTLS
hosts []string
secretName string

networking/v1.NetworkPolicy networking.k8s.io/v1 NetworkPolicy
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec networking/v1.NetworkPolicySpec

networking/v1.NetworkPolicyEgressRule
ports []networking/v1.NetworkPolicyPort
to []networking/v1.NetworkPolicyPeer

networking/v1.NetworkPolicyIngressRule
from []networking/v1.NetworkPolicyPeer
ports []networking/v1.NetworkPolicyPort

networking/v1.NetworkPolicyPeer
ipBlock networking/v1.IPBlock
namespaceSelector meta/v1.LabelSelector
podSelector meta/v1.LabelSelector

networking/v1.NetworkPolicyPort
endPort integer
port int-or-string
protocol string

networking/v1.NetworkPolicySpec
egress []networking/v1.NetworkPolicyEgressRule
ingress []networking/v1.NetworkPolicyIngressRule
podSelector! meta/v1.LabelSelector
policyTypes []string

networking/v1.ParentReference
group string
name! string
namespace string
resource! string

networking/v1.ServiceBackendPort
name string
number integer

networking/v1.ServiceCIDR networking.k8s.io/v1 ServiceCIDR
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec networking/v1.ServiceCIDRSpec
status networking/v1.ServiceCIDRStatus

networking/v1.ServiceCIDRSpec
cidrs []string

networking/v1.ServiceCIDRStatus
conditions []meta/v1.Condition

node/v1.Overhead
podFixed map quantity

node/v1.RuntimeClass node.k8s.io/v1 RuntimeClass
apiVersion string
handler! string
kind string
metadata meta/v1.ObjectMeta
overhead node/v1.Overhead
scheduling node/v1.Scheduling

node/v1.Scheduling
nodeSelector map string
tolerations []core/v1.Toleration

policy/v1.Eviction policy/v1 Eviction
apiVersion string
deleteOptions meta/v1.DeleteOptions
kind string
metadata meta/v1.ObjectMeta

policy/v1.PodDisruptionBudget policy/v1 PodDisruptionBudget
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec policy/v1.PodDisruptionBudgetSpec
status policy/v1.PodDisruptionBudgetStatus

policy/v1.PodDisruptionBudgetSpec
maxUnavailable int-or-string
minAvailable int-or-string
selector meta/v1.LabelSelector
unhealthyPodEvictionPolicy string

policy/v1.PodDisruptionBudgetStatus
conditions []meta/v1.Condition keys=type merge=type
currentHealthy! integer
desiredHealthy! integer
disruptedPods map time
disruptionsAllowed! integer
expectedPods! integer
observedGeneration integer

rbac/v1.AggregationRule
clusterRoleSelectors []meta/v1.LabelSelector

rbac/v1.ClusterRole rbac.authorization.k8s.io/v1 ClusterRole
aggregationRule rbac/v1.AggregationRule
apiVersion string
kind string
metadata meta/v1.ObjectMeta
rules []rbac/v1.PolicyRule

rbac/v1.ClusterRoleBinding rbac.authorization.k8s.io/v1 ClusterRoleBinding
apiVersion string
kind string
metadata meta/v1.ObjectMeta
roleRef! rbac/v1.RoleRef
subjects []rbac/v1.Subject

rbac/v1.PolicyRule
apiGroups []string
nonResourceURLs []string
resourceNames []string
resources []string
verbs! []string

rbac/v1.Role rbac.authorization.k8s.io/v1 Role
apiVersion string
kind string
metadata meta/v1.ObjectMeta
rules []rbac/v1.PolicyRule

rbac/v1.RoleBinding rbac.authorization.k8s.io/v1 RoleBinding
apiVersion string
kind string
metadata meta/v1.ObjectMeta
roleRef! rbac/v1.RoleRef
subjects []rbac/v1.Subject

rbac/v1.RoleRef atomic
apiGroup! string
kind! string
name! string

rbac/v1.Subject atomic
apiGroup string
kind! string
name! string
namespace string

scheduling/v1.PriorityClass scheduling.k8s.io/v1 PriorityClass
apiVersion string
description string
globalDefault boolean
kind string
metadata meta/v1.ObjectMeta
preemptionPolicy string
value! integer

storage/v1.CSIDriver storage.k8s.io/v1 CSIDriver
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! storage/v1.CSIDriverSpec

storage/v1.CSIDriverSpec
attachRequired boolean
fsGroupPolicy string
podInfoOnMount boolean
requiresRepublish boolean
seLinuxMount boolean
storageCapacity boolean
tokenRequests []storage/v1.TokenRequest
volumeLifecycleModes []string

storage/v1.CSINode storage.k8s.io/v1 CSINode
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! storage/v1.CSINodeSpec

storage/v1.CSINodeDriver
allocatable storage/v1.VolumeNodeResources
name! string
nodeID! string
topologyKeys []string

storage/v1.CSINodeSpec
drivers! []storage/v1.CSINodeDriver keys=name merge=name

storage/v1.CSIStorageCapacity storage.k8s.io/v1 CSIStorageCapacity
apiVersion string
capacity quantity
kind string
maximumVolumeSize quantity
metadata meta/v1.ObjectMeta
nodeTopology meta/v1.LabelSelector
storageClassName! string

storage/v1.StorageClass storage.k8s.io/v1 StorageClass
allowVolumeExpansion boolean
allowedTopologies []core/v1.TopologySelectorTerm
apiVersion string
kind string
metadata meta/v1.ObjectMeta
mountOptions []string
parameters map string
provisioner! string
reclaimPolicy string
volumeBindingMode string

storage/v1.TokenRequest
audience! string
expirationSeconds integer

storage/v1.VolumeAttachment storage.k8s.io/v1 VolumeAttachment
apiVersion string
kind string
metadata meta/v1.ObjectMeta
spec! storage/v1.VolumeAttachmentSpec
status storage/v1.VolumeAttachmentStatus

storage/v1.VolumeAttachmentSource
inlineVolumeSpec core/v1.PersistentVolumeSpec
persistentVolumeName string

storage/v1.VolumeAttachmentSpec
attacher! string
nodeName! string
source! storage/v1.VolumeAttachmentSource

storage/v1.VolumeAttachmentStatus
attachError storage/v1.VolumeError
attached! boolean
attachmentMetadata map string
detachError storage/v1.VolumeError

storage/v1.VolumeError
message string
time time

storage/v1.VolumeNodeResources
count integer
`;
