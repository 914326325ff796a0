/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/vendor_int.h"

static const struct vendor_rule *rule_at(unsigned int rule)
{
	BB_BUG_ON(rule >= vendor_num_rules);
	return &vendor_rules[rule];
}

unsigned int vendor_rule_count(void)
{
	return vendor_num_rules;
}

const char *vendor_rule_name(unsigned int rule)
{
	return rule_at(rule)->name;
}

const char *vendor_rule_title(unsigned int rule)
{
	return rule_at(rule)->title;
}

const char *vendor_rule_source(unsigned int rule)
{
	return rule_at(rule)->source;
}

const char *vendor_rule_public(unsigned int rule)
{
	return rule_at(rule)->prefixes;
}

size_t vendor_prefix_len(const struct vendor_rule *rule, struct bb_span s)
{
	const char *p = rule->prefixes;

	for (size_t len; (len = strlen(p)) > 0; p += len + 1) {
		if (s.len >= len && memcmp(s.p, p, len) == 0)
			return len;
	}
	return 0;
}

size_t vendor_public_len(struct bb_span secret)
{
	size_t longest = 0;

	for (unsigned int i = 0; i < vendor_num_rules; i++) {
		size_t len = vendor_prefix_len(&vendor_rules[i], secret);

		longest = len > longest ? len : longest;
	}
	return longest;
}
