// What Allure is told when a site is built. The builder copies this file beside site.json, which says what to build:
// {name, output, history, single, environments: [{id, name, label, variables}]}.
import { readFileSync } from "node:fs";

const site = JSON.parse(readFileSync(new URL("./site.json", import.meta.url), "utf8"));

// A result belongs to the version its label names. Without environments the block of versions would be that of the
// last run read, whichever result is looked at.
const environments = Object.fromEntries(
  site.environments.map(({ id, name, label: version, variables }) => [
    id,
    {
      name,
      variables,
      matcher: ({ labels }) => labels.some((label) => label.name === "version" && label.value === version),
    },
  ]),
);

export default {
  name: site.name,
  output: site.output,
  historyPath: site.history,
  historyLimit: 30,
  // Where a case stands in the source is in its name; what it is about is what a reader looks for.
  hideLabels: ["parentSuite", "suite", "subSuite", "package", "framework", "language", "host", "thread"],
  environments,
  // Allure 3 takes no categories.json from the results.
  categories: {
    rules: [
      {
        name: "Requirement violated",
        matchers: [{ statuses: ["failed"], message: /^(?!follows from )/ }],
        groupBy: ["severity", { label: "story" }],
        groupEnvironments: true,
        expand: true,
      },
      {
        name: "Inconclusive: too little was seen to say",
        matchers: [{ statuses: ["broken"], message: /^(?!not to be asked, because )[^]*INCONCLUSIVE/ }],
        groupBy: [{ label: "story" }],
      },
      {
        name: "Follows from another violation",
        matchers: [{ statuses: ["failed", "broken"], message: /^(follows from|not to be asked, because) / }],
        groupBy: [{ label: "story" }],
      },
      {
        name: "Harness error: the suite or its environment failed, not what was tested",
        matchers: { statuses: ["broken"] },
        groupByMessage: true,
      },
      {
        name: "Known violation, accepted until a date",
        matchers: [{ statuses: ["skipped"], message: /known violation, known until/ }],
        groupBy: [{ label: "story" }],
      },
      { name: "Not applicable here", matchers: { statuses: ["skipped"] } },
    ],
  },
  plugins: {
    report: {
      import: "@allurereport/plugin-awesome",
      options: {
        reportName: site.name,
        singleFile: site.single,
        theme: "auto",
        groupBy: ["epic", "story"],
        publish: true,
      },
    },
  },
};
