// Streams, containers, strings, algorithms, smart pointers, exceptions.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iomanip>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};
struct Square : Shape {
    double side;
    explicit Square(double s) : side(s) {}
    double area() const override { return side * side; }
};
struct Circle : Shape {
    double radius;
    explicit Circle(double r) : radius(r) {}
    double area() const override { return 3 * radius * radius; }
};

static int risky(int number) {
    std::string held = "held while the exception passes through " + std::to_string(number);
    if (number % 3 == 0)
        throw std::invalid_argument(held);
    if (number % 7 == 0)
        throw number;
    return static_cast<int>(held.size());
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
    std::map<std::string, std::vector<int>> index;
    for (int i = 0; i < rounds; i++)
        index["key " + std::to_string(i * 7919 % 1009)].push_back(i);
    std::cout << index.size() << ' ' << index.begin()->first << ' ' << index.rbegin()->second.size() << '\n';

    std::unordered_map<int, std::string> names;
    for (int i = 0; i < rounds; i++)
        names[i * 31 % 4999] += static_cast<char>('a' + i % 26);
    std::size_t letters = 0;
    for (const auto &[key, name] : names)
        letters += name.size();
    std::cout << names.size() << ' ' << letters << '\n';

    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 0; i < rounds; i++)
        if (i % 2 == 0)
            shapes.push_back(std::make_unique<Square>(i % 10));
        else
            shapes.push_back(std::make_unique<Circle>(i % 10));
    const double area = std::accumulate(shapes.begin(), shapes.end(), 0.0,
                                        [](double sum, const auto &shape) { return sum + shape->area(); });
    std::cout << std::fixed << std::setprecision(2) << area << '\n';

    std::vector<std::string> words;
    for (int i = 0; i < rounds; i++)
        words.push_back(std::to_string(i * 104729 % 100003) + " is a word of some length");
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    std::cout << words.front() << ", " << words.back() << ", " << words.size() << '\n';

    std::list<int> list(words.size());
    std::iota(list.begin(), list.end(), 0);
    list.remove_if([](int n) { return n % 3 == 0; });
    list.reverse();
    std::deque<int> deque(list.begin(), list.end());
    std::set<int> set(deque.begin(), deque.end());
    std::cout << list.size() << ' ' << deque.front() << ' ' << *set.begin() << '\n';

    long caught = 0, returned = 0;
    for (int i = 0; i < rounds / 5; i++) {
        try {
            returned += risky(i);
        } catch (const std::invalid_argument &error) {
            caught += static_cast<long>(std::string(error.what()).size());
        } catch (int number) {
            caught += number;
        }
    }
    std::cout << caught << ' ' << returned << '\n';

    std::ostringstream out;
    for (int i = 0; i < rounds; i++)
        out << i << ' ' << std::hex << i << std::dec << (i % 10 == 9 ? '\n' : ' ');
    std::istringstream in(out.str());
    std::string word;
    std::size_t count = 0;
    while (in >> word)
        count += word.size();
    std::cout << count << std::endl;

    auto shared = std::make_shared<std::vector<int>>(rounds, 7);
    std::weak_ptr<std::vector<int>> weak = shared;
    auto again = shared;
    shared.reset();
    std::cout << weak.use_count() << ' ' << again->size();
    again.reset();
    std::cout << ' ' << weak.expired() << '\n';
}
