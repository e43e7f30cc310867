"""The compiler: graph, symbolic gradient, rules, schedule, source text. It knows neither side."""
