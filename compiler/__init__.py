"""The compiler: graph, symbolic gradient, rules, schedule and source text. It knows neither side."""
