"""The documentation's own commands, run as a reader would run them."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.checks.documentation import DRAINED, STICKY
from stickyconf.scenarios import Policy, Topology
from stickyconf.scenarios.walkthrough import PAGE_NAMESPACE, Step, follow_page

WAIT_FOR_PODS = "kubectl rollout status -n kong deployment echo --timeout=60s"

# https://developer.konghq.com/kubernetes-ingress-controller/sticky-sessions/
STICKY_SESSIONS = (
    Step("scale-up", "kubectl scale -n kong --replicas 3 deployment echo"),
    Step("wait", WAIT_FOR_PODS, verbatim=False),
    Step("pods", "kubectl get pods -n kong -l app=echo"),
    Step(
        "policy",
        """
echo '
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata:
  name: sticky-session-policy
  namespace: kong
spec:
  algorithm: "sticky-sessions"
  hashOn:
    input: "none"
  stickySessions:
    cookie: "session_id"
    cookiePath: "/"
' | kubectl apply -f -
""",
    ),
    Step("annotate", "kubectl annotate -n kong service echo konghq.com/upstream-policy=sticky-session-policy"),
    Step(
        "check-annotation",
        r"kubectl get service echo -n kong -o jsonpath='{.metadata.annotations.konghq\.com/upstream-policy}'",
    ),
    Step("initial-request", "curl -v $PROXY_IP/echo", until=STICKY),
    Step(
        "repeat-requests",
        r"""
COOKIE=$(curl -s -D - $PROXY_IP/echo | grep -i 'set-cookie:' | sed 's/.*session_id=\([^;]*\).*/\1/')

for i in {1..5}; do
  curl -s -H "Cookie: session_id=$COOKIE" $PROXY_IP/echo | grep "Running on Pod"
done
""",
    ),
    Step(
        "without-cookie",
        """
for i in {1..5}; do
  curl -s $PROXY_IP/echo | grep "Running on Pod"
done
""",
    ),
    Step("spread", 'for i in {1..35}; do curl -s $PROXY_IP/echo | grep "Running on Pod"; done', verbatim=False),
)

# https://developer.konghq.com/kubernetes-ingress-controller/sticky-sessions-with-drain-support/
DRAIN_SUPPORT = (
    Step("scale-up", "kubectl scale -n kong --replicas 3 deployment echo"),
    Step("wait", WAIT_FOR_PODS, verbatim=False),
    Step(
        "policy",
        """
echo '
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata:
  name: sticky-session-policy
  namespace: kong
spec:
  algorithm: sticky-sessions
  hashOn:
    input: "none"
  stickySessions:
    cookie: "session-id"
    cookiePath: "/"
  ' | kubectl apply -f -
""",
    ),
    Step(
        "annotate",
        "kubectl annotate -n kong service echo konghq.com/upstream-policy=sticky-session-policy --overwrite",
    ),
    Step("request", 'curl -i "$PROXY_IP/echo"', until=STICKY),
    Step(
        "open-sessions",
        'for i in {1..24}; do echo "s$i $(curl -s -c jar$i $PROXY_IP/echo | grep "Running on Pod")"; done',
        verbatim=False,
    ),
    Step("scale-down", "kubectl scale -n kong --replicas 2 deployment echo"),
    Step("request-again", 'curl -i "$PROXY_IP/echo"'),
    Step(
        "terminating",
        "kubectl get pods -n kong -l app=echo --no-headers | grep Terminating",
        verbatim=False,
        until=DRAINED,
    ),
    Step(
        "continue-sessions",
        'for i in {1..24}; do echo "s$i $(curl -s -b jar$i $PROXY_IP/echo | grep "Running on Pod")"; done',
        verbatim=False,
    ),
    Step("new-sessions", 'for i in {1..35}; do curl -s $PROXY_IP/echo | grep "Running on Pod"; done', verbatim=False),
)

sticky_page = recorded(
    "page-sticky",
    follow_page(STICKY_SESSIONS),
    topology=Topology(replicas=0, policy=Policy(cookie="session_id")),
    claim=PAGE_NAMESPACE,
)
drain_page = recorded(
    "page-drain",
    follow_page(DRAIN_SUPPORT),
    topology=Topology(replicas=0, policy=Policy(cookie="session-id"), hold=True, drain=True),
    claim=PAGE_NAMESPACE,
)


@requirement("DOC-01")
def test_sticky_sessions_page(sticky_page, judge):
    """The commands of "Manage sticky sessions with KongUpstreamPolicy" give what the page says they give."""
    judge(checks.sticky_page_holds, sticky_page)


@requirement("DOC-02")
def test_drain_support_page(drain_page, judge):
    """The commands of "Configure sticky sessions with drain support" give what the page says they give."""
    judge(checks.drain_page_holds, drain_page)
